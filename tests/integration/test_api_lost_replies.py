"""The API over a network that loses the answers of Redis: the client gets the right one, or 503 and may ask again."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from msgspec import Struct

from jobworker.cli.chaos.proxy import Proxy
from jobworker.store.connection import connect
from jobworker.store.settings import RedisSettings, Settings
from tests.support.reply import Reply
from tests.support.snapshot import snapshot
from tests.support.waiting import wait_until
from tests.unit.api.conftest import JSON, Api

pytestmark = pytest.mark.real

#: What times out waits this long; a busy machine must answer within half of it.
TIMEOUT_SECONDS = 2.0
KEY = {"Idempotency-Key": "4711"}


@pytest.fixture
def api(proxy: Proxy, direct: redis.Redis) -> Iterator[Api]:
    """The application behind the proxy; Redis is back for it as soon as it answers others."""
    client = connect(proxy.url, timeout_seconds=TIMEOUT_SECONDS)
    api = Api(client, Settings(redis=RedisSettings(timeout=TIMEOUT_SECONDS)))
    # From here on each call is one request with one reply: it is connected, and the server knows the scripts.
    ended = api.submit()
    api.post(f"/jobs/{ended}/cancel")
    api.post(f"/jobs/{ended}/retry")
    api.post(f"/jobs/{ended}/cancel")
    api.delete(f"/jobs/{ended}")
    api.post("/jobs/pause")
    api.post("/jobs/resume")
    direct.flushdb()
    yield api
    api.available.close()
    client.close()


class Asking(Struct):
    """A request that changes something, and what a client is told when nothing gets lost."""

    ask: Callable[[Api, str], Reply]
    #: What has to be so before.
    prepare: Callable[[Api, str], object]
    status: int
    shows: dict[str, Any] | None
    #: What a client is told who asks again after a 503.
    later: int


def nothing(_api: Api, _job_id: str) -> None:
    pass


def request(method: str, path: str, headers: dict[str, str] | None = None) -> Callable[[Api, str], Reply]:
    return lambda api, job_id: api.request(method, path.format(job_id), headers=headers)


CANCEL, RETRY = request("POST", "/jobs/{}/cancel"), request("POST", "/jobs/{}/retry", KEY)
ASKED = {
    "post": Asking(request("POST", "/jobs", KEY), nothing, 202, {"status": "pending"}, 202),
    "batch": Asking(
        lambda api, _: api.request("POST", "/jobs/batch", b'{"jobs": [{}, {}]}', {**JSON, **KEY}),
        nothing,
        202,
        {"accepted": 2},
        202,
    ),
    "cancel": Asking(CANCEL, nothing, 200, {"status": "cancelled"}, 200),
    "retry": Asking(RETRY, CANCEL, 202, {"status": "pending"}, 202),
    "delete": Asking(request("DELETE", "/jobs/{}"), CANCEL, 204, None, 404),
    "pause": Asking(request("POST", "/jobs/pause"), nothing, 200, {"message": "Job processing paused"}, 200),
    "resume": Asking(
        request("POST", "/jobs/resume"),
        lambda api, _: api.post("/jobs/pause"),
        200,
        {"message": "Job processing resumed"},
        200,
    ),
}
every_request = pytest.mark.parametrize("asking", ASKED.values(), ids=ASKED.keys())


def prepared(api: Api, asking: Asking) -> str:
    job_id = api.submit()
    asking.prepare(api, job_id)
    return job_id


def check(answer: Reply, asking: Asking) -> None:
    assert answer.status == asking.status, answer.body
    assert asking.shows is None or {name: answer.json[name] for name in asking.shows} == asking.shows


def kinds(client: redis.Redis) -> dict[str, int]:
    """Return how much there is of everything: sizes of keys, without ids."""
    sizes: dict[str, int] = {}
    for key, value in snapshot(client).items():
        if key.endswith(":audit"):
            # Told once more by who asks again, and not by who is not answered.
            continue
        name = ":".join(part for part in key.split(":") if len(part) < 32)
        sizes[name] = sizes.get(name, 0) + len(value)
    return sizes


def undisturbed(api: Api, direct: redis.Redis, asking: Asking) -> dict[str, int]:
    """Return what it leaves behind when nothing gets lost."""
    check(asking.ask(api, prepared(api, asking)), asking)
    sizes = kinds(direct)
    direct.flushdb()
    return sizes


@every_request
def test_when_the_answer_of_redis_is_lost_the_client_gets_the_right_one_and_it_is_done_once(
    proxy: Proxy, api: Api, direct: redis.Redis, asking: Asking
) -> None:
    expected = undisturbed(api, direct, asking)
    job_id = prepared(api, asking)
    proxy.lose_next_reply(to=b"EVAL")
    answer = asking.ask(api, job_id)
    assert proxy.replies_lost == 1
    check(answer, asking)
    assert "Idempotent-Replayed" not in answer.headers
    assert kinds(direct) == expected


@every_request
def test_when_it_is_lost_twice_the_client_is_told_of_the_doubt_and_may_ask_again(
    proxy: Proxy, api: Api, direct: redis.Redis, asking: Asking
) -> None:
    expected = undisturbed(api, direct, asking)
    job_id = prepared(api, asking)
    proxy.lose_next_reply(count=2, to=b"EVAL")
    doubtful = asking.ask(api, job_id)
    assert (doubtful.status, doubtful.headers["Retry-After"]) == (503, "1")
    assert " may " in doubtful.json["detail"]
    wait_until(lambda: api.get(f"/jobs/{job_id}").status != 503)
    again = asking.ask(api, job_id)
    assert again.status == asking.later
    assert (again.headers.get("Idempotent-Replayed") == "true") == (asking in (ASKED["post"], ASKED["batch"]))
    assert kinds(direct) == expected


def test_a_retry_whose_job_has_ended_again_meanwhile_is_not_repeated(api: Api, direct: redis.Redis) -> None:
    job_id = api.submit()
    CANCEL(api, job_id)
    RETRY(api, job_id)
    CANCEL(api, job_id)
    assert RETRY(api, job_id).json["status"] == "cancelled"
    assert api.post(f"/jobs/{job_id}/retry").json["status"] == "pending"


def test_a_job_whose_answer_does_not_come_in_time_may_have_been_accepted_and_the_sentence_says_so(
    proxy: Proxy, api: Api, direct: redis.Redis
) -> None:
    proxy.black_hole()
    detail = api.post("/jobs").json["detail"]
    proxy.pass_on()
    assert "the job may have been accepted: GET /jobs/" in detail
    job_id = detail.partition("GET /jobs/")[2].partition(" ")[0]
    wait_until(lambda: direct.exists(api.keys.job(job_id)))


def test_a_job_that_was_never_sent_is_not_in_doubt(proxy: Proxy, api: Api) -> None:
    proxy.refuse()
    answer = api.post("/jobs")
    assert answer.status == 503
    assert "may have been accepted" not in answer.json["detail"]
