"""What stands in a job's way, in words."""

from typing import Any

import pytest

from jobworker.api.explanation import Circumstances, ExplanationView, explain_other, explain_waiting, ordinal
from jobworker.store.fleet import Queue, QueueShare, Supervisor
from jobworker.store.job import ErrorInfo, JobRecord
from jobworker.store.pause import Pause
from jobworker.store.position import Position
from jobworker.store.roster import HeldType, Roster
from jobworker.store.states import JobState
from jobworker.store.stats import Period, Sums

NOW_MS = 1_795_500_000_000
SINCE = "2026-11-24T06:00:00.000Z"


def record(status: JobState = JobState.PENDING, **changes: Any) -> JobRecord:
    facts = {"type": "resize", "queue": "images", "priority": 5, "created_ms": NOW_MS, "run_at_ms": NOW_MS}
    return JobRecord(**{"now_ms": NOW_MS, "id": "0192", "status": status, **facts, **changes})


def supervisor(name: str = "one", **changes: Any) -> Supervisor:
    facts = {"epoch": 1, "now_ms": NOW_MS, "lease_left_ms": 9000, "running": 4, "workers": 4, "types": {"resize": "x"}}
    return Supervisor(**{"name": name, **facts, **changes})


def queue(pause: Pause | None = None) -> Queue:
    return Queue("images", 220, {5: 220}, NOW_MS, NOW_MS, pause, ("one",))


def explain(*supervisors: Supervisor, ahead: int = 13, pause: Pause | None = None, wall_us: int = 0) -> ExplanationView:
    hour = Period(0, NOW_MS, [Sums("resize", {"succeeded": 10}, wall_us=wall_us)] if wall_us else [])
    circumstances = Circumstances(Position(ahead, 220), queue(pause), supervisors or (supervisor(),), hour)
    return explain_waiting(record(), circumstances)


def test_a_job_in_line_is_told_its_place_and_about_when_it_starts() -> None:
    view = explain(wall_us=100_000_000)
    assert view.summary == "14th of 220 in queue images; all 4 workers are busy; would start in about 35 s"
    assert (view.position, view.pending, view.busy, view.workers, view.estimate_seconds) == (14, 220, 4, 4, 35.0)


def test_nobody_is_told_at_once_while_all_workers_are_busy() -> None:
    assert explain(ahead=0, wall_us=1_000_000).summary.endswith("all 4 workers are busy; would start in about 1 s")


def test_without_any_measure_there_is_no_estimate() -> None:
    view = explain()
    assert view.estimate_seconds is None
    assert view.summary == "14th of 220 in queue images; all 4 workers are busy"


def test_the_next_one_starts_at_once_where_a_worker_is_idle() -> None:
    view = explain(supervisor(running=3), ahead=0)
    assert view.summary == "1st of 220 in queue images; would start at once"
    assert view.estimate_seconds == 0.0


@pytest.mark.parametrize(("name", "what"), [("images", "queue images"), ("*", "everything")])
def test_a_pause_is_told_with_who_when_and_why(name: str, what: str) -> None:
    view = explain(pause=Pause(name, "key ops", NOW_MS, "disk full"), wall_us=1_000_000)
    assert f"; {what} is paused by key ops since " in view.summary
    assert ": disk full" in view.summary
    assert view.estimate_seconds is None


def test_it_says_so_when_nobody_serves_the_queue_or_knows_the_type() -> None:
    elsewhere = supervisor(queues=(QueueShare("mail"),))
    assert "no living supervisor serves queue images" in explain(elsewhere).summary
    view = explain(supervisor(types={"other": "x"}), elsewhere)
    assert "no supervisor that serves queue images can run resize" in view.summary
    assert (view.supervisors, view.able, view.estimate_seconds) == (["one"], [], None)


def test_a_type_that_is_held_is_told_with_why_and_until_when() -> None:
    held = Roster(held_types=(HeldType("resize", "it crashes", NOW_MS, NOW_MS + 5000), HeldType("x", "y", 0, 0)))
    view = explain(supervisor(roster=held), wall_us=1_000_000)
    assert "; one holds resize until " in view.summary
    assert [hold.why for hold in view.holds] == ["it crashes"]
    assert view.estimate_seconds is None
    # Another can run it meanwhile.
    assert explain(supervisor(roster=held), supervisor("two"), wall_us=1_000_000).estimate_seconds is not None


def test_a_scheduled_job_is_told_when_it_is_due() -> None:
    nobody = Circumstances(None, None, (supervisor(),), Period(0, 0, []))
    due = record(JobState.SCHEDULED, run_at_ms=NOW_MS + 2500)
    assert explain_waiting(due, nobody).summary.endswith("Z, in 2.5 s; all 4 workers are busy")
    again = record(JobState.SCHEDULED, failures=2)
    assert "waits to be tried again after 2 attempts" in explain_waiting(again, nobody).summary
    held = record(JobState.SCHEDULED, held="resize is held")
    assert "; resize is held" in explain_waiting(held, nobody).summary


def test_a_running_job_is_told_with_its_deadline() -> None:
    facts: dict[str, Any] = {"started_ms": NOW_MS, "timeout_ms": 1000, "worker": 77, "owner": "one", "attempt": 2}
    summary = explain_other(record(JobState.RUNNING, **facts)).summary
    assert summary.startswith("attempt 2 runs since ")
    assert " in worker 77 of one; it is killed at " in summary
    assert "is being killed" in explain_other(record(JobState.RUNNING, **facts, cancel_requested_ms=NOW_MS)).summary


def test_an_ended_job_is_told_with_why() -> None:
    failed = record(JobState.FAILED, ended_ms=NOW_MS, reason="max_attempts", error=ErrorInfo("ValueError", "bad"))
    assert explain_other(failed).summary.endswith("Z: max_attempts; ValueError: bad")
    succeeded = record(JobState.SUCCEEDED, ended_ms=NOW_MS, error=ErrorInfo("ValueError", "of an earlier attempt"))
    assert explain_other(succeeded).summary.endswith("Z")


@pytest.mark.parametrize(
    ("number", "text"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (112, "112th"), (121, "121st")]
)
def test_ordinals(number: int, text: str) -> None:
    assert ordinal(number) == text
