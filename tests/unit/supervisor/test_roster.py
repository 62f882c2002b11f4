"""The roster: what a beat tells of the workers, and what it costs to know it."""

import os
from collections.abc import Iterator

import psutil
import pytest

from jobworker.store.claims import Attempted
from jobworker.store.roster import HeldType, Roster, RosterEntry
from jobworker.store.states import Outcome
from jobworker.supervisor import roster as roster_module
from jobworker.supervisor.board import boottime_ns
from jobworker.supervisor.breaker import FIRST_HOLD_SECONDS, Breaker
from jobworker.supervisor.clock import RedisClock
from jobworker.supervisor.lag import LagSelector
from jobworker.supervisor.pool import Pool
from jobworker.supervisor.process import Stage, WorkerProcess
from jobworker.supervisor.roster import RosterKeeper, Usage, read_usage
from jobworker.supervisor.stale import StaleWrites
from jobworker.supervisor.tree import Killer
from tests.support.stand_ins import StandIns
from tests.unit.supervisor.running import Running

EPOCH = 1_800_000_000_000_000
SECOND_NS = 1_000_000_000
EMPTY = Roster(loop_lag_ms=0, loop_lag_most_ms=0)


class Scene:
    """A pool to which workers are added by hand, and a clock that stands still."""

    def __init__(self, running: Running, stand_ins: StandIns) -> None:
        self.pool = Pool(2, 1, stand_ins.fork, Killer(), running.loop)
        self.now_ns = boottime_ns()
        self.lag = LagSelector(clock=lambda: self.now_ns / SECOND_NS)
        self.stale = StaleWrites()
        self.breaker = Breaker(1, 60, clock_ns=lambda: self.now_ns)
        self.clock = RedisClock(EPOCH, lambda: self.now_ns)
        self.keeper = RosterKeeper(self.pool, self.breaker, self.lag, self.stale, clock_ns=lambda: self.now_ns)
        self._fork = stand_ins.fork

    def add(self, stage: Stage = Stage.IDLE, jobs: int = 0) -> WorkerProcess:
        worker = self._fork()
        worker.stage, worker.jobs = stage, jobs
        self.pool.workers[worker.pid] = worker
        return worker

    def entry(self, worker: WorkerProcess) -> RosterEntry:
        (found,) = [entry for entry in self.keeper.write(self.clock).workers if entry.pid == worker.pid]
        return found


@pytest.fixture
def scene(running: Running, stand_ins: StandIns) -> Iterator[Scene]:
    scene = Scene(running, stand_ins)
    yield scene
    scene.pool.workers.clear()
    scene.lag.close()


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The pids that are read, in order; the n-th is said to have n bytes."""
    pids: list[int] = []

    def note(pid: int, now_ns: int) -> Usage:
        pids.append(pid)
        return Usage(now_ns, rss_bytes=len(pids), cpu_seconds=0.0)

    monkeypatch.setattr(roster_module, "read_usage", note)
    return pids


def test_without_workers_it_is_empty(scene: Scene) -> None:
    assert scene.keeper.write(scene.clock) == EMPTY


def test_it_tells_how_long_the_loop_was_blocked(scene: Scene) -> None:
    scene.now_ns += SECOND_NS // 4
    scene.lag.select(0)
    scene.now_ns += 90 * SECOND_NS
    roster = scene.keeper.write(scene.clock)
    assert (roster.loop_lag_ms, roster.loop_lag_most_ms) == (250, 250)
    scene.now_ns += 90 * SECOND_NS
    roster = scene.keeper.write(scene.clock)
    assert (roster.loop_lag_ms, roster.loop_lag_most_ms) == (0, 250)


def test_it_tells_stage_and_jobs_of_each_worker_and_how_many_were_replaced(scene: Scene) -> None:
    busy, spare = scene.add(Stage.BUSY, jobs=3), scene.add(Stage.SPARE)
    scene.pool.deaths.count = 2
    roster = scene.keeper.write(scene.clock)
    assert [(entry.pid, entry.state, entry.jobs) for entry in roster.workers] == [
        (busy.pid, "busy", 3),
        (spare.pid, "spare", 0),
    ]
    assert roster.restarts == 2


def test_a_worker_s_start_is_told_on_the_clock_of_redis(scene: Scene) -> None:
    worker = scene.add()
    worker.started_ns = scene.now_ns - 5 * SECOND_NS
    started_ms = scene.entry(worker).started_ms
    assert started_ms == EPOCH // 1000 - 5000
    scene.now_ns += 60 * SECOND_NS
    assert scene.entry(worker).started_ms == started_ms


def test_held_types_are_told_on_the_clock_of_redis(scene: Scene) -> None:
    scene.now_ns += 5 * SECOND_NS
    for token in (1, 2):
        scene.breaker.ended("mail", token, Outcome.CRASHED, "SIGSEGV")
    why = "more than 1 crashes within 60 s, the last: SIGSEGV"
    since_ms = EPOCH // 1000 + 5000
    until_ms = since_ms + round(1000 * FIRST_HOLD_SECONDS)
    assert scene.keeper.write(scene.clock).held_types == (HeldType("mail", why, since_ms, until_ms),)


def test_memory_and_cpu_time_are_what_the_system_says(scene: Scene) -> None:
    own = psutil.Process()
    cpu_seconds = sum(own.cpu_times()[:4])
    usage = read_usage(os.getpid(), 7)
    assert usage.read_ns == 7
    assert usage.rss_bytes is not None
    assert usage.rss_bytes == pytest.approx(own.memory_info().rss, rel=0.2)
    assert usage.cpu_seconds == pytest.approx(cpu_seconds, abs=0.5)


def test_of_a_process_that_is_gone_nothing_is_known(scene: Scene) -> None:
    worker = scene.add()
    worker.pid = 2**22 + 1  # no pid is that high
    scene.pool.workers = {worker.pid: worker}
    entry = scene.entry(worker)
    assert (entry.rss_bytes, entry.cpu_seconds) == (None, None)


def test_what_was_read_is_good_for_a_second(scene: Scene, read: list[int]) -> None:
    worker = scene.add()
    assert [scene.entry(worker).rss_bytes for _ in range(3)] == [1, 1, 1]
    scene.now_ns += SECOND_NS - 1
    assert scene.entry(worker).rss_bytes == 1
    scene.now_ns += 1
    assert scene.entry(worker).rss_bytes == 2


def test_a_pass_is_bounded_and_goes_on_where_the_last_ended(
    scene: Scene, read: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roster_module, "READ_PER_PASS", 2)
    pids = [scene.add().pid for _ in range(3)]
    scene.keeper.write(scene.clock)
    scene.now_ns += SECOND_NS
    scene.keeper.write(scene.clock)
    assert read == [*pids, pids[0]]


def test_a_worker_that_is_gone_is_forgotten(scene: Scene, read: list[int]) -> None:
    worker = scene.add()
    scene.keeper.write(scene.clock)
    scene.pool.workers = {}
    assert scene.keeper.write(scene.clock) == EMPTY
    assert worker.pid not in scene.keeper._usages


def test_it_counts_what_was_refused(scene: Scene) -> None:
    scene.stale.refused(Attempted("job-1", 1), "stale")
    assert scene.keeper.write(scene.clock).stale_writes == 1
