"""A type whose jobs keep crashing is held on its supervisor: others run, its own wait, and one is tried later."""

import pytest

from jobworker.api.warnings import warnings_of
from jobworker.store.states import JobState, Outcome
from jobworker.supervisor.breaker import FIRST_HOLD_SECONDS
from tests.support.supervisor_process import Workplace
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real


def test_a_type_that_keeps_crashing_is_held_told_tried_and_freed(place: Workplace) -> None:
    command = place.start("--supervisor-type-max-crashes", "2", "--supervisor-beat", "0.5")
    command.wait_for("ready")
    mended = place.folder / "mended"
    crashed = [place.run("segfault.until", str(mended), max_crashes=1) for _ in range(3)]
    assert [job.reason for job in crashed] == ["crash_loop"] * 3
    command.wait_for("a type is held")

    waiting = [place.submit("segfault.until", str(mended), max_crashes=1) for _ in range(5)]
    wait_until(lambda: {place.store.get(job_id).status for job_id in waiting} == {JobState.SCHEDULED})
    why = "more than 2 crashes within 60 s, the last: SIGSEGV before it reported"
    assert {place.store.get(job_id).held for job_id in waiting} == {f"held: {why}"}
    assert place.run("pid").status is JobState.SUCCEEDED
    wait_until(lambda: list(warnings_of(place.store)))
    [warning] = warnings_of(place.store)
    assert warning.startswith("supervisor one holds type segfault.until since ")
    assert why in warning

    mended.touch()
    ended = [place.end(job_id, timeout_seconds=FIRST_HOLD_SECONDS + 20) for job_id in waiting]
    assert {(job.status, job.crashes, job.held, job.attempts) for job in ended} == {(JobState.SUCCEEDED, 0, None, ())}
    command.wait_for("a type is held no longer")
    wait_until(lambda: not list(warnings_of(place.store)))
    assert command.err.count('"a type is held"') == 1


def test_one_bad_job_holds_nothing(place: Workplace) -> None:
    command = place.start()
    command.wait_for("ready")
    record = place.run("segfault")
    assert [attempt.outcome for attempt in record.attempts] == [Outcome.CRASHED] * 3
    mended = place.folder / "mended"
    mended.touch()
    assert place.run("segfault.until", str(mended)).status is JobState.SUCCEEDED
    assert "a type is held" not in command.err
