"""How many real workers there are, how long each lives, and a place where they keep dying."""

import signal
from collections import Counter

import psutil
import pytest

from jobworker.store.roster import Roster
from jobworker.store.states import JobState
from tests.support.gate import Gate
from tests.support.supervisor_process import Workplace
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real

OFTEN = "--supervisor-beat=0.5"
GROWING = """
from jobworker.handlers import handler
kept = []

@handler
def grow(mb: int): kept.append(b"x" * (mb * 1024 * 1024))
"""


def roster(place: Workplace) -> Roster:
    [found] = place.store.fleet.supervisors()
    return found.roster or Roster()


def workers(place: Workplace) -> int | None:
    [found] = place.store.fleet.supervisors()
    return found.workers


def workers_of_jobs(place: Workplace, count: int, kind: str = "pid") -> list[int | None]:
    records = [place.end(job) for job in [place.submit(kind) for _ in range(count)]]
    assert {record.status for record in records} == {JobState.SUCCEEDED}
    assert all(record.attempts == () for record in records)
    return [record.worker for record in records]


def test_signals_change_the_number_of_workers_and_redis_is_told(place: Workplace, gate: Gate) -> None:
    command = place.start(OFTEN, "--spares", "0", workers=1)
    command.wait_for("ready")
    supervisor = psutil.Process(command.process.pid)
    command.signal(signal.SIGTTIN)
    wait_until(lambda: workers(place) == 2 and len(supervisor.children()) == 2)
    jobs = [place.submit("gate", gate.payload) for _ in range(2)]
    gate.wait_for_attempt(2)
    command.signal(signal.SIGTTOU)
    wait_until(lambda: workers(place) == 1)
    assert len(supervisor.children()) == 2
    for _ in jobs:
        gate.open()
    assert {place.end(job).status for job in jobs} == {JobState.SUCCEEDED}
    wait_until(lambda: len(supervisor.children()) == 1)
    command.signal(signal.SIGTTOU)
    assert place.run("pid").status is JobState.SUCCEEDED
    assert (workers(place), roster(place).restarts) == (1, 0)


def test_a_worker_is_replaced_after_its_jobs(place: Workplace) -> None:
    command = place.start("--supervisor-worker-max-jobs", "3", OFTEN)
    command.wait_for("ready")
    ran = Counter(workers_of_jobs(place, 40))
    assert max(ran.values()) <= 3
    assert "worker_max_jobs" in command.err
    assert roster(place).restarts == 0


def test_a_worker_is_replaced_when_it_is_old(place: Workplace) -> None:
    command = place.start("--supervisor-worker-max-age", "1", workers=1)
    command.wait_for("ready")
    first = place.run("pid").worker
    wait_until(lambda: place.run("pid").worker != first)
    command.wait_for("it is as old as worker_max_age lets it become")


def test_a_worker_is_replaced_when_it_keeps_too_much_memory(place: Workplace) -> None:
    module = place.folder / "growing.py"
    module.write_text(GROWING)
    command = place.start("--handlers", str(module), "--supervisor-worker-max-rss-mb", "150", workers=1)
    command.wait_for("ready")
    first = place.run("grow", 1).worker
    assert place.run("grow", 200).worker == first
    wait_until(lambda: place.run("grow", 1).worker != first)
    command.wait_for("MB of memory, more than worker_max_rss_mb")
    assert len({place.run("grow", 1).worker for _ in range(5)}) == 1


def test_a_poison_job_holds_no_slot(place: Workplace) -> None:
    command = place.start(OFTEN)
    command.wait_for("ready")
    assert place.run("crash", {"exit_code": 1}).reason == "crash_loop"
    wait_until(lambda: roster(place).restarts == 3)
    assert roster(place).held_slots == ()


def test_a_slot_where_workers_keep_dying_is_held_told_and_tried_again(place: Workplace) -> None:
    command = place.start(OFTEN, "--supervisor-max-restarts", "1", "--supervisor-type-max-crashes", "1000")
    command.wait_for("ready")
    supervisor = psutil.Process(command.process.pid)
    while not (held := roster(place).held_slots):
        assert place.run("crash", {"exit_code": 1}, max_crashes=1).status is JobState.FAILED
    assert held[0].why == "exit code 1 before it reported"
    command.wait_for("workers keep dying in this slot; it is held empty")
    # Half of the workers may be held at most; the spare takes over.
    assert len(held) == 1
    workers_of_jobs(place, 20)
    wait_until(lambda: roster(place).held_slots == ())
    wait_until(lambda: len(supervisor.children()) == 3)
