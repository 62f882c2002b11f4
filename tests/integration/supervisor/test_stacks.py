"""The stack in which a job hangs is kept with its attempt when it is killed at its deadline."""

from pathlib import Path

import pytest

from jobworker.store.backoff import Backoff
from jobworker.store.states import Outcome
from jobworker.supervisor.stack import BLOCKED, CLOSED_DESCRIPTOR, NO_HANDLER, NOT_ASKED
from tests.support.supervisor_process import Workplace
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real

HANDLERS = Path(__file__).parents[2] / "support" / "stack_handlers.py"
TIMEOUT_MS = 500
#: A worker that is not scheduled within the 20 ms before its end writes no stack: on a busy machine another must try.
TRIES = 20


@pytest.fixture
def place(place: Workplace) -> Workplace:
    place.start(f"--handlers={HANDLERS}", workers=1).wait_for("ready")
    return place


def submit(place: Workplace, how: str, tries: int) -> str:
    path = str(place.folder / how)
    backoff = Backoff(base=0.01, jitter=False)
    return place.submit(f"hangs.{how}", {"path": path}, timeout_ms=TIMEOUT_MS, max_attempts=tries, backoff=backoff)


def stacks(place: Workplace, job_id: str) -> list[str]:
    return [attempt.detail.stack for attempt in place.store.get(job_id).attempts if attempt.detail.stack]


@pytest.mark.parametrize("how", ["loop", "regex", "locked", "sleep", "async", "threads"])
def test_a_hang_that_is_killed_tells_where_it_hung(place: Workplace, how: str) -> None:
    job_id = submit(place, how, TRIES)
    wait_until(lambda: stacks(place, job_id), 30)
    (stack, *_) = stacks(place, job_id)
    place.store.cancel(job_id)
    assert place.store.get(job_id).attempts[0].outcome is Outcome.TIMED_OUT
    assert f"in hangs_{how}" in stack
    assert ("in hangs_beside" in stack) == (how == "threads")
    # The handler is the last of its thread: what called it is no news.
    assert stack.split("\n\n")[0].endswith(f"in hangs_{how}")
    assert "/supervisor/" not in stack


def stack_now(place: Workplace, how: str, mark: str) -> str:
    """Return the stack of a job that hangs, with this mark: who has no CPU answers when asked again."""
    path = place.folder / how
    job_id = place.submit(f"hangs.{how}", {"path": str(path)})
    wait_until(path.exists)

    def told() -> str:
        record = place.store.get(job_id)
        asked_ms = place.store.control.stack(record)
        wait_until(lambda: (place.store.get(job_id).stack_ms or 0) >= asked_ms)
        return place.store.get(job_id).stack or ""

    stack = told()
    while mark not in stack:
        stack = told()
    place.store.cancel(job_id)
    return stack


def test_a_coroutine_that_waits_tells_what_it_waits_for(place: Workplace) -> None:
    job, *others = stack_now(place, "await", "in hangs_await").split("\n\n")
    assert job.startswith("Task of the job (most recent call first):\n")
    assert job.endswith("in hangs_await")
    assert sum("in awaits_beside" in other for other in others) == 1
    assert "/supervisor/" not in job


def test_of_a_deep_stack_it_is_said_that_frames_are_left_out(place: Workplace) -> None:
    *_, frame, last = stack_now(place, "deep", "in deepen").split("\n")
    assert frame.endswith("in deepen")
    assert last == "  … and more frames: told are the innermost 100"


WHY = {"closed": CLOSED_DESCRIPTOR, "deaf": NO_HANDLER, "blocked": BLOCKED}


@pytest.mark.parametrize("how", WHY)
def test_who_has_taken_away_what_would_answer_is_killed_in_time_all_the_same(place: Workplace, how: str) -> None:
    record = place.end(submit(place, how, 1))
    assert record.attempts[0].outcome is Outcome.TIMED_OUT
    assert record.attempts[0].detail.stack is None
    # On a busy machine it may come too late to be asked.
    assert record.attempts[0].detail.no_stack in (WHY[how], NOT_ASKED)
    assert record.attempts[0].detail.signal == "SIGKILL"
    assert record.started_ms is not None
    assert record.ended_ms is not None
    assert TIMEOUT_MS <= record.ended_ms - record.started_ms < TIMEOUT_MS + 1000
    # Nothing was written into the file that has the descriptor's number now.
    assert (place.folder / how).read_text().count("\n") == 1
