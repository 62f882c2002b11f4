"""The desk: what comes while an attempt runs, its soft timeout, its stack and its deadline."""

import os
import signal
import time
from collections.abc import Iterator

import pytest

from jobworker.store.catalogue import HandlerDefaults, HandlerEntry
from jobworker.store.states import Outcome
from jobworker.supervisor import process
from jobworker.supervisor.agenda import SOFT_AGAIN_SECONDS, STACK_SECONDS
from jobworker.supervisor.desk import CLEARING_SECONDS, LATE_START_SECONDS
from jobworker.supervisor.process import SOFT_TIMEOUT_SIGNAL, WorkerProcess
from jobworker.supervisor.procfs import Signals
from tests.support.stand_ins import StandIns, report, shoot, take
from tests.unit.supervisor.desk_scene import Scene, staged
from tests.unit.supervisor.running import Running

DUMP = b'Current thread 0x1 (most recent call first):\n  File "/srv/work.py", line 3 in hangs\n'


@pytest.fixture
def scene(running: Running, stand_ins: StandIns) -> Iterator[Scene]:
    yield from staged(running, stand_ins)


class Clock:
    """The loop's clock, moved by the test."""

    def __init__(self, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = time.monotonic()
        monkeypatch.setattr(scene.loop, "time", lambda: self.now)


@pytest.fixture
def clock(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(scene, monkeypatch)


def due(scene: Scene, worker: WorkerProcess) -> float | None:
    return scene.desk._deadlines._due.get(worker.pid)


def expire(scene: Scene) -> None:
    """Let the deadlines that are due have their effect: in this turn all are frozen, in the next they are killed."""
    scene.desk._deadlines._expire()
    scene.turn()


def test_an_attempt_is_killed_at_its_deadline(scene: Scene, clock: Clock) -> None:
    scene.hand(scene.first, timeout_ms=2000)
    take(scene.first)
    scene.first.board.started_ns = round(clock.now * 1e9)
    started = clock.now
    assert due(scene, scene.first) == started + 2 - STACK_SECONDS
    clock.now = started + 1.99
    scene.desk._deadlines._expire()
    assert scene.killer.told == []
    os.write(scene.first.stack.fileno(), DUMP)
    assert due(scene, scene.first) == pytest.approx(started + 2)
    clock.now = started + 2.001
    expire(scene)
    assert scene.killer.told == [scene.first.pid]
    shoot(scene.first)
    scene.turn()
    (settle,) = scene.settled
    assert settle.outcome is Outcome.TIMED_OUT
    assert settle.error is not None
    assert settle.error.message == "killed at its deadline of 2 s"
    assert settle.detail is not None
    assert settle.detail.signal == "SIGKILL"
    assert settle.detail.stack == DUMP.decode().strip()


def test_a_worker_that_began_late_gets_its_whole_time(scene: Scene, clock: Clock) -> None:
    scene.hand(scene.first, timeout_ms=2000)
    handed = clock.now
    scene.first.board.started_ns = round((handed + 0.5) * 1e9)
    clock.now = handed + 2.1
    expire(scene)
    assert scene.killer.told == []
    assert due(scene, scene.first) == pytest.approx(handed + 2.5 - STACK_SECONDS)
    clock.now = handed + 2.51
    expire(scene)
    expire(scene)
    assert scene.killer.told == [scene.first.pid]


def test_a_worker_that_has_not_begun_gets_more_time_but_its_word_is_not_trusted_for_ever(
    scene: Scene, clock: Clock
) -> None:
    scene.hand(scene.first, timeout_ms=500)
    handed = clock.now
    clock.now = handed + 0.6
    expire(scene)
    assert scene.killer.told == []
    scene.first.board.started_ns = round((handed + 900) * 1e9)
    clock.now = handed + LATE_START_SECONDS + 0.501
    expire(scene)
    assert scene.killer.told == [scene.first.pid]


def test_the_start_of_the_attempt_before_is_not_taken_for_this_one_s(scene: Scene, clock: Clock) -> None:
    scene.first.board.started_ns = round((clock.now - 10) * 1e9)
    scene.hand(scene.first, timeout_ms=1000)
    handed = clock.now
    clock.now = handed + 1.5
    expire(scene)
    assert scene.killer.told == []


def test_a_report_that_is_already_there_at_the_deadline_wins(scene: Scene, clock: Clock) -> None:
    scene.hand(scene.first, timeout_ms=1000)
    scene.first.board.started_ns = round(clock.now * 1e9)
    report(scene.first, 100)
    clock.now += 1.5
    expire(scene)
    assert scene.killer.told == []
    assert scene.outcomes == [(100, Outcome.SUCCEEDED)]


@pytest.mark.parametrize(("ended_after", "extra"), [(1.9, CLEARING_SECONDS), (2.1, 0), (-1, 0)])
def test_a_worker_that_ends_what_a_handler_left_in_time_has_a_little_longer_for_it(
    scene: Scene, clock: Clock, ended_after: float, extra: float
) -> None:
    scene.hand(scene.first, timeout_ms=2000)
    take(scene.first)
    began = clock.now
    scene.first.board.started_ns = round(began * 1e9)
    scene.first.board.ended_ns = round((began + ended_after) * 1e9)
    clock.now = began + 2.001
    expire(scene)
    assert bool(scene.killer.told) is not bool(extra)
    clock.now += extra
    expire(scene)
    assert scene.killer.told == [scene.first.pid]


@pytest.mark.parametrize(("late", "asked"), [(0.0, 1), (STACK_SECONDS / 2 + 0.001, 0)])
def test_where_there_is_no_time_for_it_the_stack_is_not_asked_for(
    scene: Scene, clock: Clock, late: float, asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking: list[int] = []

    def ask(_worker: WorkerProcess, token: int) -> str:
        asking.append(token)
        return ""

    monkeypatch.setattr(WorkerProcess, "ask_stack", ask)
    scene.hand(scene.first, timeout_ms=2000)
    take(scene.first)
    scene.first.board.started_ns = round(clock.now * 1e9)
    clock.now += 2 - STACK_SECONDS + 0.0001 + late
    expire(scene)
    assert len(asking) == asked
    assert scene.killer.told == []


def test_a_job_without_a_deadline_has_none(scene: Scene) -> None:
    scene.hand(scene.first, timeout_ms=0)
    assert take(scene.first).timeout_seconds is None
    assert due(scene, scene.first) is None


def test_a_deadline_ends_with_its_attempt(scene: Scene) -> None:
    scene.hand(scene.first, timeout_ms=1000)
    report(scene.first, 100)
    scene.turn()
    assert due(scene, scene.first) is None
    scene.hand(scene.second, 200, timeout_ms=1000)
    shoot(scene.second)
    scene.turn()
    assert due(scene, scene.second) is None


def test_a_soft_timeout_tells_the_worker_for_which_attempt_and_the_deadline_follows(
    scene: Scene, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []
    monkeypatch.setattr(signal, "pidfd_send_signal", lambda _pidfd, number: sent.append(number))
    # A stand-in handles none.
    monkeypatch.setattr(process, "read_signals", lambda _pid: Signals(1 << SOFT_TIMEOUT_SIGNAL - 1))
    entry = HandlerEntry("echo", {}, HandlerDefaults(soft_timeout=1.0))
    monkeypatch.setitem(scene.pool.catalogue, "echo", entry)
    scene.hand(scene.first, timeout_ms=2000)
    assert take(scene.first).soft_timeout_seconds == 1.0
    scene.first.board.started_ns = round(clock.now * 1e9)
    started = clock.now
    clock.now = started + 1.001
    scene.desk._deadlines._expire()
    assert sent == [SOFT_TIMEOUT_SIGNAL]
    assert scene.first.board.interrupted == 100
    assert scene.killer.told == []
    for later in (1 + SOFT_AGAIN_SECONDS, 2 - STACK_SECONDS, 2):
        assert due(scene, scene.first) == pytest.approx(started + later)
        clock.now = started + later + 0.001
        expire(scene)
    assert sent == [SOFT_TIMEOUT_SIGNAL] * 2
    assert scene.killer.told == [scene.first.pid]
