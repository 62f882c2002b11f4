"""`sentinel://`: whoever connects asks real Sentinels where the master is; and what is said when none of them tells."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from jobworker.cli.address import free_port
from jobworker.store.connection import connect, connect_wire
from jobworker.store.errors import StoreError, StoreMisconfigured, StoreUnavailable
from jobworker.store.ids import new_job_id
from jobworker.store.incarnation import Incarnation, Registration, Terms
from jobworker.store.job import NewJob
from jobworker.store.jobs import JobStore
from jobworker.store.keys import Keys
from jobworker.store.retention import Retention
from jobworker.store.roster import Roster
from tests.support.command import Command
from tests.support.sentinels import NEVER_DOWN_MS, SentinelSet
from tests.unit.api.conftest import Api

pytestmark = pytest.mark.real

#: A Sentinel has a quarter of it.
TIMEOUT_SECONDS = 20.0


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SentinelSet]:
    """A set of which nobody kills anything."""
    with closing(SentinelSet(tmp_path_factory.mktemp("sentinels"), down_after_ms=NEVER_DOWN_MS)) as watched:
        yield watched


def use_in_a_thread(url: str) -> None:
    store = JobStore.connect(url, timeout_seconds=TIMEOUT_SECONDS, prefix="jobworker", retention=Retention())
    with closing(store):
        store.enqueue([NewJob(new_job_id(), "echo")])


def use_as_a_supervisor(url: str) -> None:
    async def live() -> None:
        wire = connect_wire(url, timeout_seconds=TIMEOUT_SECONDS)
        try:
            who = Registration(host="host", pid=1, version="1", workers=1)
            alpha = await Incarnation.register(wire, Keys(), "alpha", who, Terms(), lock_id=new_job_id())
            await alpha.beat(Roster())
            await alpha.leave()
        finally:
            await wire.aclose()

    asyncio.run(live())


Use = Callable[[str], None]
both = pytest.mark.parametrize("use", [use_in_a_thread, use_as_a_supervisor])


def refusal(use: Use, url: str) -> StoreError:
    with pytest.raises(StoreError) as refused:
        use(url)
    return refused.value


@both
def test_the_master_is_found_also_if_the_first_sentinels_of_the_url_are_gone(watched: SentinelSet, use: Use) -> None:
    use(watched.url)
    use(watched.url.replace("sentinel://", f"sentinel://127.0.0.1:{free_port()},127.0.0.1:{free_port()},"))


@both
def test_a_service_that_no_sentinel_knows_is_a_mistake_in_the_url(watched: SentinelSet, use: Use) -> None:
    error = refusal(use, watched.url_for(service="nobody"))
    assert isinstance(error, StoreMisconfigured)
    assert str(error) == "no Sentinel that answers knows the service nobody; they know: jobs"


@both
def test_sentinels_of_which_none_can_be_reached_are_away(use: Use) -> None:
    ports = free_port(), free_port()
    error = refusal(use, f"sentinel://127.0.0.1:{ports[0]},127.0.0.1:{ports[1]}/jobs")
    assert isinstance(error, StoreUnavailable)
    assert str(error).startswith("no Sentinel names the master: 127.0.0.1:")
    assert all(f"127.0.0.1:{port}: Redis is not reachable" in str(error) for port in ports)


@both
def test_a_server_that_is_no_sentinel_is_a_mistake_in_the_url(watched: SentinelSet, use: Use) -> None:
    error = refusal(use, f"sentinel://127.0.0.1:{watched.servers[0].port}/jobs")
    assert isinstance(error, StoreMisconfigured)
    assert "unknown command" in str(error).lower()


@both
def test_sentinels_and_servers_have_passwords_of_their_own(tmp_path: Path, use: Use) -> None:
    passwords = {"password": "storing", "sentinel_password": "watching"}
    with closing(SentinelSet(tmp_path, count=1, down_after_ms=NEVER_DOWN_MS, **passwords)) as watched:
        right = "?sentinel_password=watching"
        use(watched.url_for(":storing@", options=right))
        words = "Redis refuses the user or the password of the URL"
        for credentials, options in (("", right), (":wrong@", right), (":storing@", ""), (":storing@", f"{right}g")):
            error = refusal(use, watched.url_for(credentials, options=options))
            assert isinstance(error, StoreMisconfigured)
            assert words in str(error)


@pytest.mark.parametrize(
    "url", ["sentinel://", "sentinel:///jobs", "sentinel://host:1", "sentinel://host:1/", "sentinel://host:x/jobs"]
)
def test_a_url_that_names_no_sentinel_or_no_service_is_a_mistake_in_the_settings(url: str) -> None:
    with pytest.raises(StoreMisconfigured, match="redis url"):
        use_in_a_thread(url)


@both
def test_a_sentinel_that_is_named_as_a_server_is_a_mistake_in_the_url(watched: SentinelSet, use: Use) -> None:
    error = refusal(use, f"redis://{watched.sentinels[0].address}/0")
    assert isinstance(error, StoreMisconfigured)
    assert "as a Sentinel, whose URL begins with sentinel://" in str(error)


def test_doctor_and_readyz_say_the_sentence(watched: SentinelSet, tmp_path: Path) -> None:
    sentence = "no Sentinel that answers knows the service nobody; they know: jobs"
    url = watched.url_for(service="nobody")
    with Command.jobworker("doctor", "--redis", url, directory=tmp_path) as doctor:
        assert doctor.process.wait(60) == 1
        assert sentence in doctor.err
    client = connect(url, timeout_seconds=TIMEOUT_SECONDS)
    api = Api(client)
    answer = api.get("/readyz")
    assert (answer.status, answer.json["detail"]) == (503, sentence)
    api.available.close()
    client.close()


def test_doctor_says_what_is_wrong_with_each_sentinel_that_is_away(tmp_path: Path) -> None:
    port = free_port()
    with Command.jobworker("doctor", "--redis", f"sentinel://127.0.0.1:{port}/jobs", directory=tmp_path) as doctor:
        assert doctor.process.wait(60) == 3
        assert f"no Sentinel names the master: 127.0.0.1:{port}: Redis is not reachable" in doctor.err


def test_doctor_examines_the_master(watched: SentinelSet, tmp_path: Path) -> None:
    with Command.jobworker("doctor", "--redis", watched.url, directory=tmp_path) as doctor:
        assert doctor.process.wait(60) == 0
        assert "primary with 1 replica" in doctor.out
