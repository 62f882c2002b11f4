"""What an attempt can come to, and what it leaves behind."""

import msgspec
import pytest

from jobworker.store.states import JobState, Outcome
from tests.support.supervisor_process import Workplace
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real


def test_handlers_report_results_errors_and_receipts(place: Workplace) -> None:
    place.start().wait_for("ready")
    done = place.run("coroutine", 41)
    assert (done.status, done.result) == (JobState.SUCCEEDED, b"42")
    assert done.receipt is not None
    assert done.receipt.wall_seconds > 0
    failed = place.run("raises", max_attempts=1)
    assert (failed.status, failed.reason) == (JobState.FAILED, "max_attempts")
    assert failed.error is not None
    assert (failed.error.type, failed.error.message) == ("ValueError", "no such luck")
    assert failed.error.traceback is not None
    assert failed.error.traceback.splitlines()[1].endswith("in raises")
    assert place.run("fails").reason == "the order is gone"
    retried = place.run("retries")
    assert (retried.result, retried.failures, retried.attempts[0].detail.reason) == (b"2", 1, "not yet")
    assert place.run("leaves", max_attempts=1).attempts[0].outcome is Outcome.RAISED
    assert place.run("mark", {"path": 5}).reason == "invalid_payload"
    assert place.run("bad_result").reason == "bad_result"
    assert place.run("unbounded").result == b"null"


def test_a_mebibyte_goes_in_and_comes_out(place: Workplace) -> None:
    place.start().wait_for("ready")
    text = "x" * (1024 * 1024 - 2)
    assert place.run("big", text).result == msgspec.json.encode(text)


def test_a_handler_finds_its_process_as_it_should_be(place: Workplace) -> None:
    command = place.start(workers=1)
    command.wait_for("ready")
    place.run("changes")
    result = place.run("surroundings").result
    assert result is not None
    found = msgspec.json.decode(result)
    expected = {"umask": 0o022, "timer": 0.0, "blocked": 0, "stdin": "/dev/null", "url": None, "default": False}
    assert found == {"folder": command._out.parent.as_posix(), **expected}


def test_a_worker_with_threads_left_is_replaced_and_a_fork_that_returns_ends(place: Workplace) -> None:
    place.start(workers=1).wait_for("ready")
    left = place.run("threads")
    assert left.status is JobState.SUCCEEDED
    assert place.run("pid").result != left.result
    assert place.run("forks").result == b'"parent"'
    assert place.run("pid").status is JobState.SUCCEEDED


def test_garbage_in_the_mailbox_ends_the_worker_alone(place: Workplace) -> None:
    place.start().wait_for("ready")
    record = place.run("garbage", max_crashes=1)
    assert (record.status, record.reason) == (JobState.FAILED, "crash_loop")
    assert record.error is not None
    assert "no report" in record.error.message
    assert place.run("pid").status is JobState.SUCCEEDED


def test_an_unknown_type_goes_back_and_spends_nothing(place: Workplace) -> None:
    place.start().wait_for("ready")
    job_id = place.submit("nobody.knows")
    wait_until(lambda: place.store.get(job_id).status is JobState.SCHEDULED)
    record = place.store.get(job_id)
    assert (record.failures, record.crashes, record.attempt) == (0, 0, 0)


def test_a_delayed_job_is_not_early_and_not_late(place: Workplace) -> None:
    place.start().wait_for("ready")
    record = place.run("pid", delay_ms=300)
    assert record.started_ms is not None
    assert record.run_at_ms is not None
    assert record.run_at_ms <= record.started_ms < record.run_at_ms + 500


def test_higher_priority_runs_first_and_a_named_queue_is_served_alone(place: Workplace) -> None:
    path = place.folder / "order"
    place.store.pause(who="test")
    ids = [place.submit("pid", priority=priority, queue="mine") for priority in (1, 10, 5, 10)]
    elsewhere = place.submit("mark", {"path": str(path)}, queue="other")
    place.start("--queue", "mine", workers=1).wait_for("ready")
    place.store.resume()
    tokens = {job_id: place.end(job_id).token for job_id in ids}
    assert sorted(ids, key=lambda job_id: tokens[job_id] or 0) == [ids[1], ids[3], ids[2], ids[0]]
    assert place.store.get(elsewhere).status is JobState.PENDING
