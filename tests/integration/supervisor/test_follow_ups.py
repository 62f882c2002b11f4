"""Follow-up jobs of real handlers: there once with each success, and never without it, whoever is killed."""

import os
import signal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jobworker.store.job import JobRecord
from jobworker.store.states import JobState
from tests.support import supervisor_process
from tests.support.audit import audit
from tests.support.command import Command
from tests.support.supervisor_process import Workplace
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real

HANDLERS = Path(supervisor_process.__file__).with_name("chain_handlers.py")


def started(place: Workplace, *options: str) -> Command:
    command = place.start("--handlers", str(HANDLERS), *options)
    command.wait_for("ready")
    return command


def ids_of(record: JobRecord) -> list[str]:
    assert record.status is JobState.SUCCEEDED, record.error
    ids: list[str] = msgspec.json.decode(record.result or b"")
    return ids


def drain_and_audit(place: Workplace, supervisor: Command) -> None:
    """Check all that is in Redis, once nobody writes there any more: it is not read in one step."""
    supervisor.signal(signal.SIGTERM)
    assert supervisor.wait() == 0
    audit(place.client)


def all_jobs(place: Workplace) -> set[str]:
    found: Any = place.client.zrange("jobworker:{0}:created", 0, -1)
    return {job_id.decode() for job_id in found}


def test_follow_ups_run_as_their_type_declares_and_the_id_is_known_before_they_exist(place: Workplace) -> None:
    supervisor = started(place)
    path = place.folder / "lines"
    record = place.run("chain.order", {"path": str(path), "count": 3})
    steps = [place.end(job_id) for job_id in ids_of(record)]
    assert [(one.queue, one.priority, one.result) for one in steps] == [
        ("steps", 8, str(number).encode()) for number in range(3)
    ]
    assert len(place.lines(path, 4)) == 4
    drain_and_audit(place, supervisor)


def test_a_worker_that_is_killed_after_it_has_submitted_leaves_none(place: Workplace) -> None:
    started(place)
    path = place.folder / "lines"
    job_id = place.submit("chain.order", {"path": str(path), "count": 2, "stays": True})
    ((_, _, worker),) = place.lines(path)
    os.kill(int(worker), signal.SIGKILL)
    record = place.end(job_id)
    ids = ids_of(record)
    assert (record.crashes, len(ids)) == (1, 2)
    for one in ids:
        place.end(one)
    assert all_jobs(place) == {job_id, *ids}


def test_a_supervisor_that_is_killed_again_and_again_neither_loses_nor_doubles_one(place: Workplace) -> None:
    path = place.folder / "lines"
    orders: list[str] = []
    for _ in range(3):
        supervisor = started(place)
        before = path.read_text().count("\n") if path.exists() else 0
        orders += [place.submit("chain.order", {"path": str(path), "count": 3}) for _ in range(20)]
        # In the middle of it, wherever that is.
        place.lines(path, before + 15)
        supervisor.signal(signal.SIGKILL)
        supervisor.wait()
        # Nobody writes now: what is there belongs to those that have succeeded, and nothing is missing.
        succeeded = [one for one in map(place.store.get, orders) if one.status is JobState.SUCCEEDED]
        assert all_jobs(place) == {*orders, *(step for one in succeeded for step in ids_of(one))}
    supervisor = started(place)
    expected = {one for job_id in orders for one in ids_of(place.end(job_id))}
    assert len(expected) == 3 * len(orders)
    wait_until(lambda: all(place.store.get(one).ended for one in expected), 30)
    assert all_jobs(place) == {*orders, *expected}
    assert {place.store.get(one).status for one in expected} == {JobState.SUCCEEDED}
    drain_and_audit(place, supervisor)


def test_the_follow_ups_of_a_type_that_only_another_supervisor_runs_go_where_that_declares_it(place: Workplace) -> None:
    alone = place.folder / "alone.py"
    alone.write_text(
        "from jobworker.handlers import Job, handler\n"
        "@handler('alone')\n"
        "def alone(path: str, job: Job): return job.submit('chain.step', {'path': path, 'step': 7})\n"
    )
    started(place, "--queue", "steps", "--name", "other")
    place.start("--handlers", str(alone), "--queue", "default").wait_for("ready")
    record = place.run("alone", str(place.folder / "lines"))
    step = place.end(msgspec.json.decode(record.result or b""))
    assert (step.queue, step.priority, step.result, step.owner) == ("steps", 8, b"7", "other")


def test_what_is_out_of_range_fails_the_attempt_and_is_told(place: Workplace) -> None:
    bad = place.folder / "bad.py"
    bad.write_text(
        "from jobworker.handlers import Job, handler\n"
        "@handler('bad', max_attempts=1)\n"
        "def bad(job: Job):\n"
        "    job.submit('chain.step')\n"
        "    for _ in range(200): job.submit('chain.step', {'path': '', 'step': 1}, delay=60)\n"
    )
    started(place, "--handlers", str(bad))
    record = place.run("bad")
    assert record.status is JobState.FAILED
    assert record.error is not None
    why = "a follow-up job of type chain.step is refused: an attempt may submit 200 jobs, and has"
    assert (record.error.type, record.error.message) == ("InvalidSubmission", why)
    assert all_jobs(place) == {record.id}
