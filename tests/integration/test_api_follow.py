"""Following a log over the wire: at once, to the end of the job, and never at the cost of others."""

import http.client
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jobworker.store.claims import Claim
from jobworker.store.report import LogChunk
from jobworker.store.states import Outcome
from tests.support.api_process import ApiProcess, running_api
from tests.support.command import Command
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until
from tests.support.watched_redis import START_MS
from tests.support.world import Supervisor, World

pytestmark = pytest.mark.real

#: An API with one place for a follower.
FEW_THREADS = 4


@pytest.fixture
def api(redis_server: RedisServer) -> Iterator[ApiProcess]:
    with running_api(redis_server.url, threads=FEW_THREADS) as api:
        yield api


class Following:
    """An answer that comes bit by bit."""

    def __init__(self, api: ApiProcess, job_id: str, query: str = "follow=1", **headers: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=20)
        self._connection.request("GET", f"/jobs/{job_id}/log?{query}", headers=headers)
        self.response = self._connection.getresponse()

    def line(self) -> bytes:
        return self.response.readline()

    def rest(self) -> bytes:
        return self.response.read()

    def leave(self) -> None:
        self.response.close()
        self._connection.close()


@pytest.fixture
def follow(api: ApiProcess) -> Iterator[Callable[..., Following]]:
    opened: list[Following] = []

    def open_one(*arguments: Any, **headers: str) -> Following:
        opened.append(Following(api, *arguments, **headers))
        return opened[-1]

    yield open_one
    for following in opened:
        following.leave()


def tell(alpha: Supervisor, claim: Claim, at: int, text: bytes) -> None:
    assert alpha.tell(claim, LogChunk(at, START_MS, text)) == "ok"


def test_lines_come_as_they_are_printed_until_the_job_ends(
    alpha: Supervisor, claim: Claim, follow: Callable[..., Following]
) -> None:
    following = follow(claim.id)
    assert (following.response.status, following.response.headers["Transfer-Encoding"]) == (200, "chunked")
    tell(alpha, claim, 0, b"one\n")
    assert following.line() == b"one\n"
    tell(alpha, claim, 4, b"two\n")
    assert following.line() == b"two\n"
    alpha.settle(claim, Outcome.SUCCEEDED, log=(LogChunk(8, START_MS, b"three\n"),))
    assert following.rest() == b"three\n"


def test_a_follower_goes_on_through_the_attempts(
    alpha: Supervisor, claim: Claim, follow: Callable[..., Following]
) -> None:
    following = follow(claim.id, "follow=1", Accept="application/json")
    alpha.settle(claim, Outcome.CRASHED, log=(LogChunk(0, START_MS, b"first\n"),))
    first = msgspec.json.decode(following.line())
    again = alpha.claim_one()
    alpha.settle(again, Outcome.SUCCEEDED, log=(LogChunk(0, START_MS, b"second\n"),))
    second = msgspec.json.decode(following.rest())
    assert [(item["attempt"], item["text"], item["next"]) for item in (first, second)] == [
        (1, "first\n", 6),
        (2, "second\n", 13),
    ]


def test_whoever_was_cut_off_goes_on_where_he_was(
    alpha: Supervisor, claim: Claim, follow: Callable[..., Following]
) -> None:
    tell(alpha, claim, 0, b"one\ntwo\n")
    following = follow(claim.id, "follow=1&after=4")
    alpha.settle(claim, Outcome.SUCCEEDED)
    assert following.rest() == b"two\n"


def test_followers_leave_threads_to_others_and_beyond_their_number_it_is_503(
    api: ApiProcess, alpha: Supervisor, claim: Claim, follow: Callable[..., Following]
) -> None:
    following = follow(claim.id)
    refused = api.request("GET", f"/jobs/{claim.id}/log?follow=1")
    assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
    assert "1 clients follow logs here already" in refused.json["detail"]
    assert api.request("GET", f"/jobs/{claim.id}/log").status == 200
    alpha.settle(claim, Outcome.SUCCEEDED)
    following.rest()
    assert follow(claim.id).rest() == b""


def test_a_client_that_leaves_gives_its_place_back(
    api: ApiProcess, alpha: Supervisor, claim: Claim, follow: Callable[..., Following]
) -> None:
    tell(alpha, claim, 0, b"one\n")
    following = follow(claim.id)
    assert following.line() == b"one\n"
    following.leave()

    def gets_a_place() -> bool:
        return follow(claim.id).response.status == 200

    wait_until(gets_a_place)


def test_a_follower_of_a_job_that_has_not_started_has_its_answer_at_once(
    world: World, follow: Callable[..., Following]
) -> None:
    following = follow(world.enqueue(delay_ms=3_600_000))
    assert following.response.status == 200


def test_a_process_that_drains_ends_its_followers_whole(
    api: ApiProcess, alpha: Supervisor, claim: Claim, follow: Callable[..., Following]
) -> None:
    tell(alpha, claim, 0, b"one\n")
    following = follow(claim.id)
    assert following.line() == b"one\n"
    api.terminate()
    # Without the end of the chunks this would raise IncompleteRead.
    assert following.rest() == b""
    assert api.wait() == 0


def test_the_command_follows_a_job_to_its_end(api: ApiProcess, alpha: Supervisor, claim: Claim, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{api.port}"
    with Command.jobworker("log", claim.id, "--follow", "--url", url, directory=tmp_path) as command:
        tell(alpha, claim, 0, b"one\n")
        command.wait_for("one\n")
        alpha.settle(claim, Outcome.SUCCEEDED, log=(LogChunk(4, START_MS, b"two\n"),))
        assert command.wait() == 0
    assert (command.out, command.err) == ("one\ntwo\n", "")


def test_the_command_can_be_left_while_it_follows(
    api: ApiProcess, alpha: Supervisor, claim: Claim, tmp_path: Path
) -> None:
    url = f"http://127.0.0.1:{api.port}"
    tell(alpha, claim, 0, b"one\n")
    with Command.jobworker("log", claim.id, "--follow", "--url", url, directory=tmp_path) as command:
        command.wait_for("one\n")
        command.signal(signal.SIGINT)
        assert command.wait() == 130
    assert command.err.strip() == "jobworker: interrupted"
