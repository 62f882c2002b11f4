"""The API while Redis is away, in its many ways."""

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import msgspec
import pytest
import redis

from jobworker.cli.address import free_port
from jobworker.cli.chaos.proxy import Proxy
from jobworker.store.catalogue import HandlerEntry
from jobworker.store.keys import Keys
from jobworker.store.scripts import script
from tests.support.api_process import ApiProcess, running_api
from tests.support.redis_server import RedisServer
from tests.support.reply import Reply
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real

#: What every caller is promised.
PROMISE_SECONDS = 3.0


def assert_is_unavailable(reply: Reply) -> None:
    assert reply.status == 503
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert reply.headers["Retry-After"] == "1"


def is_taken(api: ApiProcess) -> bool:
    return api.request("POST", "/jobs").status == 202


def timed_post(api: ApiProcess) -> tuple[Reply, float]:
    start = time.monotonic()
    reply = api.request("POST", "/jobs")
    return reply, time.monotonic() - start


def test_it_starts_without_redis_says_so_and_recovers(own_server: RedisServer) -> None:
    own_server.kill()
    with running_api(own_server.url) as api:
        assert "not reachable" in api.wait_for_log("redis is away")["reason"]
        assert_is_unavailable(api.request("POST", "/jobs"))
        assert_is_unavailable(api.request("GET", "/readyz"))
        assert api.request("GET", "/livez").status == 200
        own_server.start()
        api.wait_for_log("redis is back")
        assert is_taken(api)
        assert api.request("GET", "/readyz").status == 200
        assert not any("Traceback" in line for line in api.log)


def test_redis_killed_and_started_again(own_server: RedisServer) -> None:
    with running_api(own_server.url) as api:
        job_id = api.request("POST", "/jobs").json["id"]
        own_server.kill()
        reply, seconds = timed_post(api)
        assert_is_unavailable(reply)
        assert seconds < PROMISE_SECONDS
        own_server.start()
        wait_until(lambda: is_taken(api))
        assert api.request("GET", f"/jobs/{job_id}").json["status"] == "pending"


def test_forty_callers_at_a_black_hole_are_all_answered_in_time(own_server: RedisServer) -> None:
    with running_api(own_server.url) as api, ThreadPoolExecutor(40) as pool:
        assert is_taken(api)
        own_server.freeze()
        outcomes = list(pool.map(lambda _: timed_post(api), range(40)))
        for reply, seconds in outcomes:
            assert_is_unavailable(reply)
            assert seconds < PROMISE_SECONDS
        # Those who come now do not wait at all.
        assert max(timed_post(api)[1] for _ in range(5)) < 0.5
        own_server.resume()
        api.wait_for_log("redis is back")
        assert is_taken(api)


def test_forty_callers_of_a_slow_redis_are_all_answered_in_time(own_server: RedisServer) -> None:
    with (
        closing(Proxy(own_server.port)) as proxy,
        redis.Redis(port=own_server.port) as client,
        running_api(proxy.url, threads=4) as api,
        ThreadPoolExecutor(41) as pool,
    ):
        entry = HandlerEntry(type="echo", schema={})
        script("publish").run(client, [Keys().handlers], ["echo", msgspec.json.encode(entry)])
        # Every thread has its connection.
        wait_until(lambda: list(pool.map(lambda _: is_taken(api), range(8))) and proxy.connections >= 4)
        proxy.slow_down(0.5)
        posting = [pool.submit(timed_post, api) for _ in range(40)]
        living = pool.submit(api.request, "GET", "/livez")
        outcomes = [each.result() for each in posting]
        assert max(seconds for _, seconds in outcomes) < PROMISE_SECONDS
        assert {reply.status for reply, _ in outcomes} == {202, 503}
        for reply, _ in outcomes:
            if reply.status == 503:
                assert_is_unavailable(reply)
                assert reply.json["detail"].endswith("Redis is slow, or too many ask at once")
        assert living.result().status == 200
        proxy.slow_down(0.0)
        wait_until(lambda: is_taken(api))


def test_a_redis_that_is_full_refuses_jobs_and_still_shows_them(own_server: RedisServer) -> None:
    with running_api(own_server.url) as api, redis.Redis(port=own_server.port) as client:
        job_id = api.request("POST", "/jobs").json["id"]
        client.config_set("maxmemory", "1")
        refused = api.request("POST", "/jobs")
        assert_is_unavailable(refused)
        assert "out of memory" in refused.json["detail"]
        assert "out of memory" in api.wait_for_log("redis refuses calls")["reason"]
        assert_is_unavailable(api.request("GET", "/readyz"))
        assert api.request("GET", f"/jobs/{job_id}").status == 200
        client.config_set("maxmemory", "0")
        assert is_taken(api)


def test_a_redis_that_takes_no_writes_refuses_jobs_and_still_shows_them(own_server: RedisServer) -> None:
    with running_api(own_server.url) as api, redis.Redis(port=own_server.port) as client:
        job_id = api.request("POST", "/jobs").json["id"]
        lose_the_disk(own_server, client)
        for _ in range(3):
            refused = api.request("POST", "/jobs")
            assert_is_unavailable(refused)
            assert "Redis takes no writes at the moment: MISCONF" in refused.json["detail"]
        assert "MISCONF" in api.wait_for_log("redis refuses calls")["reason"]
        assert_is_unavailable(api.request("GET", "/readyz"))
        assert_is_unavailable(api.request("POST", f"/jobs/{job_id}/cancel"))
        assert api.request("GET", f"/jobs/{job_id}").json["status"] == "pending"
        for path in ("/jobs", "/queues", "/queues/default", "/supervisors", "/workers", "/handlers"):
            assert api.request("GET", path).status == 200
        # It needs no disk any more; with the setting as it was it would not even end.
        client.config_set("save", "")
        assert is_taken(api)


def lose_the_disk(server: RedisServer, client: redis.Redis) -> None:
    """Let a server have nowhere to save its data, and find that out."""
    client.config_set("appendonly", "no")
    client.config_set("save", "3600 1")
    shutil.rmtree(server.directory)
    client.bgsave()
    wait_until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err")


def test_a_key_of_the_wrong_type_is_told_once_in_the_log_and_by_the_readiness(own_server: RedisServer) -> None:
    with running_api(own_server.url) as api, redis.Redis(port=own_server.port) as client:
        client.set(Keys().ready("default"), "no sorted set")
        for _ in range(20):
            assert_is_unavailable(api.request("POST", "/jobs"))
        assert "WRONGTYPE" in api.wait_for_log("redis refuses calls")["reason"]
        ready = api.request("GET", "/readyz")
        assert any("WRONGTYPE" in warning for warning in ready.json["warnings"])
        api.terminate()
        assert api.wait() == 0
        assert sum("WRONGTYPE" in line for line in api.log) == 1


def test_a_wrong_password_is_told_without_telling_it(own_server: RedisServer) -> None:
    with redis.Redis(port=own_server.port) as client:
        client.config_set("requirepass", "right")
        url = f"redis://:wrong-secret@127.0.0.1:{own_server.port}/0"
        with running_api(url) as api:
            refused = api.request("POST", "/jobs")
            assert_is_unavailable(refused)
            assert "Redis refuses the user or the password" in refused.json["detail"]
            assert b"wrong-secret" not in refused.body
            assert "user or the password" in api.wait_for_log("redis refuses calls")["reason"]
            assert not any("wrong-secret" in line for line in api.log)


def test_a_host_that_is_none_is_503() -> None:
    with running_api(f"redis://127.0.0.1:{free_port()}/0") as api:
        assert_is_unavailable(api.request("POST", "/jobs/pause"))
