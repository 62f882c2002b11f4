"""What a server's refusals mean to us, from real servers; and what goes on when its memory is full."""

import asyncio
import socket
from collections.abc import Iterator

import pytest
import redis

from jobworker.cli.address import free_port
from jobworker.store.claims import Wanted
from jobworker.store.connection import connect_async
from jobworker.store.errors import StoreFull, StoreMisconfigured, StoreUnavailable
from jobworker.store.ids import new_job_id
from jobworker.store.incarnation import Incarnation, Registration, Terms
from jobworker.store.job import NewJob
from jobworker.store.jobs import JobStore
from jobworker.store.keys import Keys
from jobworker.store.retention import Retention
from jobworker.store.roster import Roster
from jobworker.store.states import Outcome
from tests.support.redis_server import RedisServer
from tests.support.world import settling

pytestmark = pytest.mark.real


def store_at(url: str, timeout_seconds: float = 5) -> JobStore:
    return JobStore.connect(url, timeout_seconds=timeout_seconds, prefix="jobworker", retention=Retention())


@pytest.fixture
def admin(own_server: RedisServer) -> Iterator[redis.Redis]:
    """A client that configures a server of the test's own."""
    client = redis.Redis(port=own_server.port)
    yield client
    client.close()


def enqueue(store: JobStore) -> str:
    job = NewJob(new_job_id(), "echo")
    store.enqueue([job])
    return job.id


def with_password(server: RedisServer, user_and_password: str) -> str:
    return f"redis://{user_and_password}@127.0.0.1:{server.port}/0"


@pytest.mark.parametrize("user_and_password", ["", ":wrong", "nobody:secret"])
def test_a_wrong_or_missing_password_is_a_mistake_in_the_url(
    own_server: RedisServer, admin: redis.Redis, user_and_password: str
) -> None:
    admin.config_set("requirepass", "secret")
    url = with_password(own_server, user_and_password) if user_and_password else own_server.url
    store = store_at(url)
    with pytest.raises(StoreMisconfigured, match="Redis refuses the user or the password of the URL"):
        enqueue(store)
    store.close()


def test_the_right_password_is_let_in(own_server: RedisServer, admin: redis.Redis) -> None:
    admin.config_set("requirepass", "secret")
    store = store_at(with_password(own_server, ":secret"))
    enqueue(store)
    store.close()


def test_a_user_without_a_right_is_a_mistake_in_the_servers_rules(own_server: RedisServer, admin: redis.Redis) -> None:
    admin.acl_setuser("weak", enabled=True, passwords=["+secret"], keys=["*"], commands=["+ping"])
    store = store_at(with_password(own_server, "weak:secret"))
    with pytest.raises(StoreMisconfigured, match="Redis's ACL denies a command that jobworker needs"):
        enqueue(store)
    store.close()


def test_a_replica_takes_no_writes_at_the_moment(own_server: RedisServer, admin: redis.Redis) -> None:
    store = store_at(own_server.url)
    admin.replicaof("127.0.0.1", free_port())
    for call in (store.check_writable, lambda: enqueue(store)):
        with pytest.raises(StoreUnavailable):
            call()
    admin.replicaof("NO", "ONE")
    enqueue(store)
    store.close()


def test_a_port_where_nobody_listens_is_not_reachable() -> None:
    store = store_at(f"redis://127.0.0.1:{free_port()}/0")
    with pytest.raises(StoreUnavailable, match=r"Redis is not reachable: .*refused"):
        store.check_writable()


def test_a_host_that_answers_nothing_is_not_reachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        store = store_at(f"redis://127.0.0.1:{listener.getsockname()[1]}/0", timeout_seconds=0.2)
        with pytest.raises(StoreUnavailable, match="not reachable"):
            store.check_writable()
        store.close()


@pytest.mark.parametrize("url", ["nonsense", "http://127.0.0.1", "redis://127.0.0.1:70000/0"])
def test_a_url_that_is_none_is_a_mistake_in_the_settings(url: str) -> None:
    with pytest.raises(StoreMisconfigured, match="redis url"):
        store_at(url)


def test_a_full_server_takes_no_new_job_and_nothing_is_left_of_it(own_server: RedisServer, admin: redis.Redis) -> None:
    store = store_at(own_server.url)
    enqueue(store)
    before = set(admin.keys())
    admin.config_set("maxmemory", 1)
    for call in (store.check_writable, lambda: enqueue(store)):
        with pytest.raises(StoreFull):
            call()
    assert set(admin.keys()) == before
    admin.config_set("maxmemory", 0)
    enqueue(store)
    store.close()


def test_a_full_server_lets_the_supervisors_empty_the_queue(own_server: RedisServer, admin: redis.Redis) -> None:
    """Else all leases end, nothing is claimed any more, and the memory stays full."""
    store, keys = store_at(own_server.url), Keys()
    ids = [enqueue(store) for _ in range(3)]

    async def work() -> None:
        client = connect_async(own_server.url, timeout_seconds=5)
        who = Registration(host="host", pid=1, version="1", workers=1)
        alpha = await Incarnation.register(client, keys, "alpha", who, Terms(), lock_id="lock")
        await alpha.leave()
        alpha = await Incarnation.register(client, keys, "alpha", who, Terms(), lock_id="lock", number=2)
        await alpha.publish([], 2)
        assert (await alpha.beat(Roster())).running == 0
        (claim,) = (await alpha.exchange(1, [], [Wanted(1)])).claims
        assert await alpha.reconcile(2, []) == []
        (claim,) = (await alpha.exchange(3, [], [Wanted(1)])).claims
        assert (await alpha.exchange(4, [settling(claim, Outcome.SUCCEEDED)], [])).words == ["succeeded"]
        (claim,) = (await alpha.exchange(5, [], [Wanted(1)])).claims
        assert store.cancel(claim.id) == "cancelling"
        assert len((await alpha.beat(Roster())).cancels) == 1
        assert (await alpha.exchange(6, [settling(claim, Outcome.CANCELLED)], [])).words == ["cancelled"]
        await client.aclose()

    admin.config_set("maxmemory", 1)
    asyncio.run(work())
    assert [store.get(job_id).status for job_id in ids] == ["succeeded", "cancelled", "pending"]
    store.close()
