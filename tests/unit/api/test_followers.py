"""A follower without a network: how it goes on and when it ends; how many there may be."""

from collections import deque
from collections.abc import Callable

import pytest

from jobworker.api.errors import Overloaded
from jobworker.api.followers import LONG_LOOK_SECONDS, LOOK_SECONDS, Follower, Followers
from jobworker.api.logtext import JsonLines, LogText, PlainText
from jobworker.store.errors import JobNotFound, StoreUnavailable
from jobworker.store.log import LogMark, LogPage, LogPiece
from jobworker.store.states import JobState


class Stream:
    def __init__(self) -> None:
        self.begun = False
        self.over = False

    def begin(self) -> None:
        self.begun = True

    def is_over(self) -> bool:
        return self.over


class Log:
    """What a job prints, page by page."""

    def __init__(self) -> None:
        self.at = 0
        self.coming: deque[LogPage | Exception | Callable[[], LogPage]] = deque()
        self.asked: list[LogMark] = []

    def page(self, status: str, data: bytes = b"") -> LogPage:
        pieces = [LogPiece(self.at, 0, 0, 1, data)] if data else []
        self.at += len(data)
        return LogPage(JobState(status), pieces, LogMark(self.at))

    def read(self, mark: LogMark) -> LogPage:
        self.asked.append(mark)
        coming = self.coming.popleft()
        if isinstance(coming, Exception):
            raise coming
        return coming if isinstance(coming, LogPage) else coming()


@pytest.fixture
def log() -> Log:
    return Log()


def follow(
    log: Log, first: LogPage, stream: Stream | None = None, text: LogText | None = None
) -> tuple[bytes, list[float]]:
    """Return what is sent and how long was waited each time."""
    slept: list[float] = []
    follower = Follower(log.read, first, text or PlainText(), stream or Stream(), lambda: None, sleep=slept.append)
    return b"".join(follower), slept


def test_it_ends_with_the_job(log: Log) -> None:
    first = log.page("running", b"one\n")
    log.coming += [log.page("running", b"two\n"), log.page("running"), log.page("succeeded", b"three\n")]
    assert follow(log, first) == (b"one\ntwo\nthree\n", [LOOK_SECONDS] * 3)
    assert [mark.at for mark in log.asked] == [4, 8, 8]


def test_an_ended_job_is_not_waited_for(log: Log) -> None:
    assert follow(log, log.page("failed", b"one")) == (b"one", [])


def test_it_goes_on_through_the_attempts_and_looks_seldom_while_none_is_due(log: Log) -> None:
    first = log.page("running", b"one\n")
    log.coming += [log.page("scheduled"), log.page("pending"), log.page("running", b"two\n"), log.page("succeeded")]
    assert follow(log, first) == (b"one\ntwo\n", [LOOK_SECONDS, LONG_LOOK_SECONDS, LOOK_SECONDS, LOOK_SECONDS])


def test_it_waits_for_redis_to_come_back(log: Log) -> None:
    first = log.page("running", b"one\n")
    log.coming += [StoreUnavailable("away"), StoreUnavailable("away"), log.page("succeeded", b"two\n")]
    assert follow(log, first) == (b"one\ntwo\n", [LOOK_SECONDS, LONG_LOOK_SECONDS, LONG_LOOK_SECONDS])


def test_it_ends_when_the_job_is_gone(log: Log) -> None:
    first = log.page("running", b"one\n")
    log.coming.append(JobNotFound("the-id"))
    assert follow(log, first) == (b"one\n", [LOOK_SECONDS])


def test_it_ends_when_the_client_has_left_and_half_a_character_is_left_to_the_next(log: Log) -> None:
    stream, first = Stream(), log.page("running", b"a\xe2")

    def leave() -> LogPage:
        stream.over = True
        return log.page("running")

    log.coming.append(leave)
    sent, _ = follow(log, first, stream, JsonLines())
    assert sent.count(b"\n") == 1


def test_the_head_is_sent_before_there_is_any_output(log: Log) -> None:
    stream = Stream()
    follower = Follower(log.read, log.page("pending"), PlainText(), stream, lambda: None)
    assert not stream.begun
    assert next(follower) == b""
    assert stream.begun


@pytest.mark.parametrize(("threads", "most"), [(1, 0), (2, 1), (4, 1), (16, 4), (256, 64)])
def test_a_quarter_of_the_threads_may_follow_and_never_the_last(threads: int, most: int) -> None:
    followers = Followers(threads)
    leave = [followers.take_place() for _ in range(most)]
    with pytest.raises(Overloaded, match=r"api\.threads"):
        followers.take_place()
    for each in leave:
        each()
        followers.take_place()
