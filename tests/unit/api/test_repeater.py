"""What is asked of Redis is asked twice when an answer gets lost, and done once."""

from collections.abc import Callable

import pytest

from jobworker.api.availability import Availability
from jobworker.api.repeater import Repeater
from jobworker.store.errors import InvalidJob, OutcomeUnknown, StoreError, StoreFull, StoreUnavailable
from tests.unit.api.conftest import Api

PATIENCE_SECONDS = 1.0
DOUBT = "it may have been done"


class Lossy:
    """A call that fails as it is told, time after time, and takes its time."""

    def __init__(self, *fates: StoreError | None, seconds: float = 0.0) -> None:
        self.fates = list(fates)
        self.seconds = seconds
        self.now = 0.0
        self.calls = 0

    def __call__(self) -> int:
        self.calls += 1
        self.now += self.seconds
        if (error := self.fates.pop(0)) is not None:
            raise error
        return self.calls

    def repeater(self) -> Repeater:
        available = Availability(lambda: None)
        return Repeater(available, patience_seconds=PATIENCE_SECONDS, clock=lambda: self.now)

    def do(self, **options: Callable[[], int]) -> int:
        return self.repeater().do(self, DOUBT, **options)


def test_what_is_answered_is_asked_once() -> None:
    assert Lossy(None, None).do() == 1


def test_a_lost_answer_is_asked_for_again() -> None:
    assert Lossy(OutcomeUnknown("reset"), None).do() == 2


def test_what_means_something_else_the_second_time_is_asked_in_its_way() -> None:
    lossy = Lossy(OutcomeUnknown("reset"))
    assert lossy.do(again=lambda: 7) == 7
    assert lossy.calls == 1


@pytest.mark.parametrize("second", [OutcomeUnknown("again"), StoreUnavailable("refused"), StoreFull()])
def test_when_both_fail_the_sentence_says_that_the_first_may_have_done_it(second: StoreError) -> None:
    with pytest.raises(OutcomeUnknown) as refused:
        Lossy(OutcomeUnknown("reset"), second).do()
    assert str(refused.value) == f"reset; {DOUBT}"


def test_a_call_that_took_long_is_not_repeated() -> None:
    lossy = Lossy(OutcomeUnknown("timeout"), seconds=PATIENCE_SECONDS)
    with pytest.raises(OutcomeUnknown, match=DOUBT):
        lossy.do()
    assert lossy.calls == 1


@pytest.mark.parametrize("error", [StoreUnavailable("refused"), StoreFull("full"), InvalidJob("no", field="queue")])
def test_what_is_certain_is_neither_repeated_nor_put_in_doubt(error: StoreError) -> None:
    lossy = Lossy(error)
    with pytest.raises(type(error)) as refused:
        lossy.do()
    assert refused.value is error
    assert lossy.calls == 1


def test_only_the_caller_whose_request_it_was_is_told_of_the_doubt(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(_jobs: object) -> None:
        raise OutcomeUnknown("Redis is not reachable: test")

    monkeypatch.setattr(api.store, "enqueue", lose)
    api.away.set()
    his, others = api.post("/jobs"), api.post("/jobs")
    assert (his.status, others.status) == (503, 503)
    assert "; the job may have been accepted: GET /jobs/" in his.json["detail"]
    assert others.json["detail"] == "Redis is not reachable: test"
