"""What a handler submits goes with the report on its success, and with no other."""

from collections.abc import Callable, Iterator

import msgspec
import pytest

from jobworker.handlers import Fail, Job, Retry, SoftTimeout
from jobworker.store.states import Outcome
from tests.unit.supervisor.execution_bench import Bench


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.close()


def test_what_was_submitted_goes_with_a_success(bench: Bench) -> None:
    async def submit_async(payload: str, job: Job) -> str:
        return job.submit("mail", payload, priority=3)

    def submit(payload: str, job: Job) -> list[str]:
        return [job.submit("mail", payload), job.submit("mail", payload)]

    report = bench.run(submit, "a")
    assert [(one.type, one.payload) for one in report.follow_ups] == [("mail", b'"a"')] * 2
    assert msgspec.json.decode(report.result) == [one.id for one in report.follow_ups]
    (mail,) = bench.run(submit_async, "b").follow_ups
    assert (mail.payload, mail.priority, mail.id) == (b'"b"', 3, report.follow_ups[0].id)


@pytest.mark.parametrize("fails", [lambda: Fail("no"), lambda: Retry(), lambda: SoftTimeout(), lambda: ValueError()])
def test_with_a_failure_nothing_goes_that_was_submitted(bench: Bench, fails: Callable[[], BaseException]) -> None:
    def submit(job: Job) -> None:
        job.submit("mail")
        raise fails()

    assert bench.run(submit).follow_ups == ()


def test_nor_with_a_result_that_cannot_be_stored(bench: Bench) -> None:
    def submit(job: Job) -> object:
        job.submit("mail")
        return object()

    report = bench.run(submit)
    assert (report.outcome, report.follow_ups) == (Outcome.BAD_RESULT, ())


def test_a_submission_out_of_range_is_a_failed_attempt_in_the_author_s_words(bench: Bench) -> None:
    def submit(job: Job) -> None:
        job.submit("mail", priority=11)

    report = bench.run(submit)
    assert (report.outcome, report.error and report.error.type) == (Outcome.RAISED, "InvalidSubmission")
    assert report.error is not None
    assert "Expected `int` <= 10, in its `priority`" in report.error.message
