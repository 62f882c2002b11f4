"""Jobs go in once, whatever becomes of the answer of Redis."""

from collections.abc import Callable

import pytest

from jobworker.api.availability import Availability
from jobworker.api.intake import Intake
from jobworker.store.errors import InvalidJob, OutcomeUnknown, StoreError, StoreFull, StoreUnavailable
from jobworker.store.idempotency import Acceptance
from jobworker.store.job import NewJob
from jobworker.store.jobs import JobStore
from jobworker.store.keys import Keys
from jobworker.store.retention import Retention
from jobworker.store.states import JobState
from tests.support.redis_source import fake_source
from tests.unit.api.conftest import Api

PATIENCE_SECONDS = 1.0
JOB = NewJob("019cb6c0-7c1a-7d3b-8f00-000000000000", "echo", payload=b"1")
ACCEPTED = Acceptance(JOB.id, JobState.PENDING, JOB.type, JOB.queue, JOB.priority)


class Lossy(JobStore):
    """Fails as it is told, call by call, and says what it was asked to store."""

    def __init__(self, *fates: StoreError | None, call_seconds: float = 0.0) -> None:
        super().__init__(fake_source().connect(), Keys(), Retention())
        self.fates = list(fates)
        self.call_seconds = call_seconds
        self.now = 0.0
        self.calls: list[str] = []

    def enqueue(self, jobs: object) -> list[Acceptance]:
        assert isinstance(jobs, list)
        self.calls += [job.id for job in jobs]
        self.now += self.call_seconds
        if (error := self.fates.pop(0)) is not None:
            raise error
        return [ACCEPTED]

    def intake(self, probe: Callable[[], None] = lambda: None) -> Intake:
        available = Availability(probe)
        return Intake(self, available, patience_seconds=PATIENCE_SECONDS, clock=lambda: self.now)


def test_a_lost_answer_is_asked_for_again_with_the_same_id() -> None:
    store = Lossy(OutcomeUnknown("reset"), None)
    assert store.intake().take(JOB) is ACCEPTED
    assert store.calls == [JOB.id, JOB.id]


@pytest.mark.parametrize("second", [OutcomeUnknown("again"), StoreUnavailable("refused"), StoreFull()])
def test_when_both_fail_the_sentence_says_that_the_first_may_have_done_it(second: StoreError) -> None:
    store = Lossy(OutcomeUnknown("reset"), second)
    with pytest.raises(OutcomeUnknown) as refused:
        store.intake().take(JOB)
    assert str(refused.value) == (
        f"reset; the job may have been accepted: GET /jobs/{JOB.id} tells, as soon as Redis is back"
    )


def test_a_call_that_took_long_is_not_repeated() -> None:
    store = Lossy(OutcomeUnknown("timeout"), call_seconds=PATIENCE_SECONDS)
    with pytest.raises(OutcomeUnknown, match="may have been accepted"):
        store.intake().take(JOB)
    assert store.calls == [JOB.id]


@pytest.mark.parametrize("error", [StoreUnavailable("refused"), StoreFull("full"), InvalidJob("no", field="queue")])
def test_what_is_certain_is_neither_repeated_nor_put_in_doubt(error: StoreError) -> None:
    store = Lossy(error)
    with pytest.raises(type(error)) as refused:
        store.intake().take(JOB)
    assert refused.value is error
    assert store.calls == [JOB.id]


def test_only_the_caller_whose_job_it_was_is_told_of_the_doubt(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(_jobs: object) -> list[Acceptance]:
        raise OutcomeUnknown("Redis is not reachable: test")

    monkeypatch.setattr(api.store, "enqueue", lose)
    api.away.set()
    his, others = api.post("/jobs"), api.post("/jobs")
    assert (his.status, others.status) == (503, 503)
    assert "; the job may have been accepted: GET /jobs/" in his.json["detail"]
    assert others.json["detail"] == "Redis is not reachable: test"
