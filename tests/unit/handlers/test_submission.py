"""What a handler may submit, and what it is told of what it may not."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from jobworker.handlers.declaration import BackoffDeclaration
from jobworker.handlers.errors import InvalidSubmission
from jobworker.handlers.submission import MAX_FOLLOW_UP_BYTES, MAX_FOLLOW_UPS, FollowUp, Submissions
from jobworker.store.ids import is_job_id
from jobworker.store.limits import MAX_BATCH_JOBS

JOB = "0193a1f4-7e9c-7a5b-8f00-000000000001"


def submit(submissions: Submissions, payload: Any = None, type_name: Any = "mail", **options: Any) -> str:
    return submissions.add(JOB, type_name, payload, options)


def only(**options: Any) -> FollowUp:
    submissions = Submissions()
    submit(submissions, **options)
    (follow_up,) = submissions.close()
    return follow_up


def test_ids_are_those_of_jobs_and_follow_from_the_job_and_the_place_alone() -> None:
    first, second = Submissions(), Submissions()
    ids = [submit(first, 1), submit(first, 1)]
    assert ids == [submit(second, "another", "type"), submit(second)]
    assert len(set(ids)) == 2
    assert all(map(is_job_id, ids))
    assert {UUID(one).version for one in ids} == {5}
    assert Submissions().add(JOB.replace("1", "2"), "mail", None, {}) not in ids


def test_they_stay_in_order_and_keep_what_was_said() -> None:
    submissions = Submissions()
    at = datetime.now(UTC) + timedelta(hours=1)
    submit(submissions, {"to": "a"})
    submit(submissions, [1], "b.c", queue="q", priority=10, delay=1, timeout=2, max_attempts=3, backoff={"base": 9})
    submit(submissions, run_at=at, expires_at=at + timedelta(seconds=1), max_crashes=4, memory_limit_mb=500)
    plain, full, timed = submissions.close()
    assert plain == FollowUp(plain.id, "mail", b'{"to":"a"}')
    assert full == FollowUp(
        full.id, "b.c", b"[1]", "q", 10, 1.0, timeout=2.0, max_attempts=3, backoff=BackoffDeclaration(base=9.0)
    )
    assert (timed.payload, timed.run_at, timed.max_crashes, timed.memory_limit_mb) == (b"null", at, 4, 500)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"priority": 11}, "Expected `int` <= 10, in its `priority`"),
        ({"delay": -1}, "Expected `float` >= 0.0, in its `delay`"),
        ({"delay": float("nan")}, "in its `delay`"),
        ({"timeout": 0.01}, "in its `timeout`"),
        ({"max_attempts": 1.5}, "in its `max_attempts`"),
        ({"queue": "a b"}, "in its `queue`"),
        ({"backoff": {"bass": 1}}, "unknown field `bass`, in its `backoff`"),
        ({"run_at": datetime(2030, 1, 1)}, "in its `run_at`"),
        ({"run_at": datetime.now(UTC), "delay": 1}, "delay and run_at exclude each other"),
        ({"run_at": datetime.now(UTC) + timedelta(days=367)}, "its run_at must be within 366 days from now"),
        ({"expires_at": datetime.now(UTC) - timedelta(seconds=1)}, "it would expire before it is due"),
        ({"expires_at": datetime.now(UTC) + timedelta(seconds=60), "delay": 61}, "it would expire before it is due"),
        ({"type_name": "a:b"}, "in its `type`"),
        ({"type_name": None}, "in its `type`"),
        ({"payload": object()}, "its payload of type object cannot be stored"),
        ({"payload": [float("nan")]}, "its payload has nan at `$[0]`"),
        ({"payload": "x" * 1_048_577}, "its payload has 1048579 bytes as JSON; 1048576 are allowed"),
    ],
)
def test_what_no_request_may_say_is_refused_in_one_sentence(options: dict[str, Any], why: str) -> None:
    submissions = Submissions()
    with pytest.raises(InvalidSubmission) as refused:
        submit(submissions, **options)
    assert str(refused.value).startswith(f"a follow-up job of type {options.get('type_name', 'mail')} is refused: ")
    assert why in str(refused.value)
    assert submissions.close() == ()


def test_more_than_200_are_refused_and_these_stay() -> None:
    submissions = Submissions()
    for number in range(MAX_FOLLOW_UPS):
        submit(submissions, number)
    with pytest.raises(InvalidSubmission, match="an attempt may submit 200 jobs, and has"):
        submit(submissions)
    assert len(submissions.close()) == MAX_FOLLOW_UPS == MAX_BATCH_JOBS


def test_all_payloads_together_have_an_upper_bound() -> None:
    submissions = Submissions()
    submit(submissions, "x" * (MAX_FOLLOW_UP_BYTES // 2))
    with pytest.raises(InvalidSubmission, match="1048576 bytes together; with this one they would have 1048580"):
        submit(submissions, "x" * (MAX_FOLLOW_UP_BYTES // 2))
    submit(submissions, "x")
    assert len(submissions.close()) == 2


def test_threads_that_submit_at_once_get_ids_of_their_own() -> None:
    submissions = Submissions()
    start = threading.Barrier(8)
    ids: list[str] = []

    def add() -> None:
        start.wait()
        ids.extend(submit(submissions) for _ in range(20))

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(ids)) == 160
    assert {follow_up.id for follow_up in submissions.close()} == set(ids)


def test_what_comes_after_the_end_of_the_attempt_is_refused() -> None:
    submissions = Submissions()
    assert submissions.close() == ()
    with pytest.raises(InvalidSubmission, match="the attempt that submits it has ended"):
        submit(submissions)


def test_what_is_not_said_is_left_open() -> None:
    assert only(queue=None, priority=None, delay=None) == only()
