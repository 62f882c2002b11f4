"""The desk: which worker runs which job, until when, and how it ended."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from jobworker.store.catalogue import HandlerDefaults, HandlerEntry
from jobworker.store.claims import Attempted, Cancel
from jobworker.store.job import Note
from jobworker.store.report import Progress
from jobworker.store.states import KilledBy, Outcome
from jobworker.supervisor.messages import Progressed
from jobworker.supervisor.oom import OomWatch
from jobworker.supervisor.process import Stage
from jobworker.supervisor.slots import Restarts, Slots
from jobworker.supervisor.stack import DIED, Stack
from jobworker.supervisor.verdict import Intent
from tests.support.claims import a_claim
from tests.support.stand_ins import HELLO, StandIns, report, say, shoot, take
from tests.unit.supervisor.desk_scene import Scene, staged, turns
from tests.unit.supervisor.running import Running


@pytest.fixture
def scene(running: Running, stand_ins: StandIns) -> Iterator[Scene]:
    yield from staged(running, stand_ins)


def test_a_claim_goes_to_the_worker_it_was_claimed_for(scene: Scene) -> None:
    scene.hand(scene.second, payload=b"[1]", timeout_ms=2500, max_attempts=9)
    assignment = take(scene.second)
    assert (assignment.id, assignment.token, assignment.payload) == ("job-1", 100, b"[1]")
    assert (assignment.timeout_seconds, assignment.max_attempts) == (2.5, 9)
    assert scene.second.stage is Stage.BUSY
    assert scene.desk.held() == [Attempted("job-1", 100)]


def test_a_report_settles_and_frees_the_worker(scene: Scene) -> None:
    scene.hand(scene.first)
    report(scene.first, 100, result=b"1")
    scene.turn()
    assert scene.outcomes == [(100, Outcome.SUCCEEDED)]
    assert scene.desk.empty
    assert scene.first.stage is Stage.IDLE


@pytest.mark.parametrize("trouble", ["unknown", "busy"])
def test_a_claim_whose_worker_is_gone_goes_back_free(scene: Scene, trouble: str) -> None:
    if trouble == "unknown":
        scene.desk.hand_out(a_claim(worker=1))
    else:
        scene.first.stage = Stage.BUSY
        scene.hand(scene.first)
    assert scene.outcomes == [(100, Outcome.RECALLED)]
    assert scene.desk.empty


def test_a_worker_whose_mailbox_takes_nothing_is_killed_and_its_claim_goes_back_free(scene: Scene) -> None:
    scene.first.mailbox.close_writing()
    scene.hand(scene.first)
    assert scene.killer.told == [scene.first.pid]
    assert scene.desk.held() == [Attempted("job-1", 100)]
    shoot(scene.first)
    scene.turn()
    assert scene.outcomes == [(100, Outcome.RECALLED)]
    assert scene.desk.empty


def test_a_type_whose_attempts_crash_is_held_back_and_its_worker_stays_idle(scene: Scene) -> None:
    for worker, token in ((scene.first, 100), (scene.second, 200)):
        scene.hand(worker, token, type="mail")
        take(worker)
        shoot(worker)
        scene.turn()
    third = scene.stand_ins.made[2]
    say(third, HELLO)
    scene.turn()
    scene.hand(third, 300, type="mail")
    assert scene.outcomes == [(100, Outcome.CRASHED), (200, Outcome.CRASHED), (300, Outcome.HELD)]
    assert scene.settled[-1].reason.startswith("held: more than 1 crashes within 60 s, the last: SIGKILL")
    assert 9_000 < scene.settled[-1].delay_ms <= 10_100
    assert third.stage is Stage.IDLE
    scene.hand(third, 400, type="other")
    assert take(third).token == 400


def test_the_job_that_is_to_be_tried_is_another_one_if_its_worker_is_gone(scene: Scene) -> None:
    for _ in range(2):
        scene.breaker.ended("mail", 1, Outcome.CRASHED, "SIGSEGV")
    scene.breaker.holds[0].until_ns = 0
    assert scene.desk.hand_out(a_claim(type="mail", token=100, worker=1))
    assert scene.outcomes == [(100, Outcome.RECALLED)]
    scene.hand(scene.first, 200, type="mail")
    assert take(scene.first).token == 200
    assert not scene.desk.hand_out(a_claim(type="mail", token=300, worker=scene.second.pid))


def test_a_claim_is_held_before_its_worker_is_sent_it(scene: Scene) -> None:
    scene.desk.hand_out(a_claim(worker=scene.first.pid))
    assert scene.desk.held() == [Attempted("job-1", 100)]
    assert scene.first.stage is Stage.BUSY
    assert scene.first.recall() == []


@pytest.mark.parametrize("reaped_first", [True, False])
def test_a_worker_that_is_killed_before_it_was_sent_its_claim_is_sent_nothing(
    scene: Scene, *, reaped_first: bool
) -> None:
    scene.desk.hand_out(a_claim(worker=scene.first.pid))
    scene.desk.end_all(Intent(Outcome.CRASHED, "in a test"))
    shoot(scene.first)
    if reaped_first:
        scene.pool.reap_orphans()
    scene.turn()
    assert scene.outcomes == [(100, Outcome.RECALLED)]
    assert scene.desk.empty


def test_a_report_on_another_attempt_settles_nothing(scene: Scene) -> None:
    scene.hand(scene.first, 100)
    report(scene.first, 99)
    scene.turn()
    assert scene.settled == []
    assert scene.desk.held() == [Attempted("job-1", 100)]


def test_a_dead_worker_is_judged_when_nothing_of_its_job_lives(scene: Scene) -> None:
    scene.hand(scene.first)
    take(scene.first)
    scene.killer.burial.clear()
    shoot(scene.first, signal.SIGSEGV)
    scene.turn()
    assert scene.settled == []
    assert not scene.desk.empty
    assert scene.desk.held() == [Attempted("job-1", 100)]
    scene.killer.burial.set()
    scene.turn()
    (settle,) = scene.settled
    assert (settle.outcome, settle.error and settle.error.message) == (Outcome.CRASHED, "SIGSEGV before it reported")
    assert scene.desk.empty


def test_an_assignment_the_dead_had_not_read_goes_back_free(scene: Scene) -> None:
    scene.hand(scene.first)
    shoot(scene.first)
    scene.turn()
    assert scene.outcomes == [(100, Outcome.RECALLED)]


def test_the_death_of_an_idle_worker_settles_nothing(scene: Scene) -> None:
    shoot(scene.first)
    scene.turn()
    assert scene.settled == []
    assert scene.desk.empty


def test_a_cancel_kills_that_attempt_and_no_other_of_the_same_job(scene: Scene) -> None:
    scene.hand(scene.first, 100)
    take(scene.first)
    scene.desk.cancel([Cancel(Attempted("job-1", 99)), Cancel(Attempted("job-2", 100))])
    assert scene.killer.told == []
    scene.desk.cancel([Cancel(Attempted("job-1", 100), Note("api ::1", "not wanted"))])
    assert scene.killer.told == [scene.first.pid]
    shoot(scene.first)
    scene.turn()
    assert scene.outcomes == [(100, Outcome.CANCELLED)]
    assert scene.settled[0].error is not None
    assert scene.settled[0].error.message == "killed because api ::1 cancelled the job: not wanted"


def test_a_report_that_came_before_the_kill_wins(scene: Scene) -> None:
    scene.hand(scene.first)
    take(scene.first)
    scene.desk.cancel([Cancel(Attempted("job-1", 100), Note("api ::1", "not wanted"))])
    report(scene.first, 100, result=b"1")
    shoot(scene.first)
    scene.turn()
    assert scene.outcomes == [(100, Outcome.SUCCEEDED)]


def test_what_is_no_longer_ours_is_killed_and_settled_by_nobody(scene: Scene) -> None:
    scene.hand(scene.first, 100)
    scene.hand(scene.second, 200, id="job-2")
    take(scene.first)
    scene.desk.drop([Attempted("job-1", 100)])
    assert scene.killer.told == [scene.first.pid]
    shoot(scene.first)
    report(scene.second, 200)
    scene.turn()
    assert scene.outcomes == [(200, Outcome.SUCCEEDED)]
    assert scene.desk.empty


def test_what_was_dropped_is_not_held_while_it_dies(scene: Scene) -> None:
    scene.hand(scene.first, 100)
    scene.hand(scene.second, 200, id="job-2")
    scene.desk.drop([Attempted("job-1", 100)])
    assert scene.desk.held() == [Attempted("job-2", 200)]
    assert not scene.desk.empty


def test_a_report_on_what_was_dropped_settles_nothing(scene: Scene) -> None:
    scene.hand(scene.first, 100)
    scene.desk.drop(scene.desk.held())
    report(scene.first, 100)
    scene.turn()
    assert scene.settled == []
    assert scene.desk.empty


def test_dropping_what_is_being_buried_settles_nothing(scene: Scene) -> None:
    scene.hand(scene.first, 100)
    take(scene.first)
    scene.killer.burial.clear()
    shoot(scene.first)
    scene.turn()
    scene.desk.drop(scene.desk.held())
    assert scene.killer.told == []
    scene.killer.burial.set()
    scene.turn()
    assert scene.settled == []
    assert scene.desk.empty


def test_whoever_waits_for_the_desk_to_be_empty_is_told(scene: Scene) -> None:
    scene.hand(scene.first)
    waiting = scene.loop.create_task(scene.desk.wait_until_empty())
    scene.turn()
    assert not waiting.done()
    report(scene.first)
    scene.turn()
    assert waiting.done()


def test_an_attempt_that_uses_too_much_memory_is_killed(scene: Scene) -> None:
    scene.hand(scene.first, memory_limit_mb=100)
    scene.hand(scene.second, 200, id="job-2")
    take(scene.first)
    assert scene.desk._memory._limits == {scene.first.pid: 100 * 1024**2}
    scene.desk._exceeded_memory(scene.first.pid, 150 * 1024**2)
    assert scene.killer.told == [scene.first.pid]
    shoot(scene.first)
    scene.turn()
    (settle,) = scene.settled
    assert settle.outcome is Outcome.OUT_OF_MEMORY
    assert settle.detail is not None
    assert settle.detail.killed_by is KilledBy.MEMORY_LIMIT
    assert settle.detail.error is not None
    assert settle.detail.error.message == "killed because it used 150 MiB of memory, over its limit of 100 MiB"
    assert scene.desk._memory._limits == {}


def test_a_report_that_is_there_before_the_kill_for_memory_wins(scene: Scene) -> None:
    scene.hand(scene.first, memory_limit_mb=100)
    take(scene.first)
    report(scene.first, 100)
    scene.desk._exceeded_memory(scene.first.pid, 150 * 1024**2)
    assert scene.killer.told == []
    assert scene.outcomes == [(100, Outcome.SUCCEEDED)]
    assert scene.desk._memory._limits == {}


def test_a_sigkill_that_the_kernel_has_counted_is_out_of_memory(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    counter = tmp_path / "memory.events"
    counter.write_text("oom_kill 1\n")
    monkeypatch.setattr(scene.desk, "_oom", OomWatch(counter))
    scene.hand(scene.first)
    take(scene.first)
    counter.write_text("oom_kill 2\n")
    shoot(scene.first)
    scene.turn()
    (settle,) = scene.settled
    assert settle.outcome is Outcome.OUT_OF_MEMORY
    assert settle.detail is not None
    assert settle.detail.killed_by is KilledBy.OOM_KILLER


def test_a_kill_that_took_an_idle_worker_explains_no_other_death(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    counter = tmp_path / "memory.events"
    counter.write_text("oom_kill 1\n")
    monkeypatch.setattr(scene.desk, "_oom", OomWatch(counter))
    counter.write_text("oom_kill 2\n")
    shoot(scene.second)
    scene.turn()
    scene.hand(scene.first)
    take(scene.first)
    shoot(scene.first)
    scene.turn()
    assert scene.outcomes == [(100, Outcome.CRASHED)]


def test_a_slot_that_is_held_for_kills_by_the_kernel_says_so(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter = tmp_path / "memory.events"
    counter.write_text("oom_kill 1\n")
    monkeypatch.setattr(scene.desk, "_oom", OomWatch(counter))
    monkeypatch.setattr(scene.pool.crew, "slots", Slots(Restarts(most=0), scene.loop.time))
    counter.write_text("oom_kill 2\n")
    with capture_logs() as logs:
        shoot(scene.first)
        scene.turn()
    why = "killed by the kernel's OOM killer (the cgroup counted one more oom_kill)"
    assert [(held.slot, held.why) for held in scene.pool.crew.slots.held()] == [(0, why)]
    [told] = [line for line in logs if line["event"] == "workers keep dying in this slot; it is held empty"]
    assert (told["slot"], told["why"], told["seconds"]) == (0, why, 5.0)


def test_a_kill_that_hits_a_worker_without_a_job_is_told_as_that(scene: Scene) -> None:
    with capture_logs() as logs:
        shoot(scene.first)
        scene.turn()
    [told] = [line for line in logs if line["event"] == "worker died"]
    assert told["worker"] == scene.first.pid
    assert told["why"].startswith("SIGKILL while it had no job, sent from outside (")


def test_a_progress_told_just_before_the_death_is_reported_while_the_dead_is_buried(scene: Scene) -> None:
    scene.killer.burial.clear()
    scene.hand(scene.first)
    take(scene.first)
    scene.first.board.write_progress(0.5, "half of it")
    say(scene.first, Progressed(100))
    shoot(scene.first)
    scene.turn()
    assert scene.first.reaped
    [report] = scene.output.reports()
    assert (report.token, report.progress) == (100, Progress(0.5, "half of it"))


def test_who_dies_while_its_stack_is_waited_for_is_not_given_that_of_its_replacement(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = scene.hand(scene.first)
    take(scene.first)
    # A stand-in answers no signal.
    monkeypatch.setattr(scene.first, "ask_stack", lambda token: "")

    async def die_meanwhile() -> Stack | None:
        taking = asyncio.create_task(scene.desk.take_stack(Attempted(claim.id, claim.token)))
        await asyncio.sleep(0)
        shoot(scene.first)
        await turns()
        # Its file may bear the number that the other's had.
        os.write(scene.stand_ins.made[-1].stack.fileno(), b'Thread 1 (most recent call first):\n  File "a.py" in other')
        return await taking

    assert scene.runner.run(die_meanwhile()) == Stack(missing=DIED)
    assert scene.first.reaped
    assert len(scene.stand_ins.made) == 3


@pytest.mark.parametrize(("which", "killed"), [("exclusive", [1]), ("all", [0, 1]), ("none", [])])
def test_what_is_fenced_is_killed_and_goes_back_free(scene: Scene, which: Any, killed: list[int]) -> None:
    scene.pool.catalogue["billing"] = HandlerEntry("billing", {}, HandlerDefaults(exclusive=True))
    workers = [scene.first, scene.second]
    scene.hand(scene.first, 100)
    scene.hand(scene.second, 101, id="job-2", type="billing")
    for worker in workers:
        take(worker)
    assert scene.desk.fence(which) == len(killed)
    assert scene.killer.told == [workers[number].pid for number in killed]
    for number in killed:
        shoot(workers[number])
        scene.turn()
    assert scene.outcomes == [(100 + number, Outcome.FENCED) for number in killed]


def test_who_has_reported_before_it_would_be_fenced_has_ended(scene: Scene) -> None:
    scene.hand(scene.first, 100)
    report(scene.first, 100)
    assert scene.desk.fence("all") == 0
    assert (scene.killer.told, scene.outcomes) == ([], [(100, Outcome.SUCCEEDED)])
