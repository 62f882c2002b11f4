import pickle
from typing import Any

import pytest

from jobworker.handlers import Fail, HandlerError, Retry, SoftTimeout


def test_a_retry_carries_its_delay_and_its_reason() -> None:
    retry = Retry(after=10, reason="the mail server is busy")

    assert (retry.after, retry.reason, str(retry)) == (10, "the mail server is busy", "the mail server is busy")


def test_a_retry_without_arguments_leaves_the_delay_to_the_backoff() -> None:
    assert Retry().after is None
    assert str(Retry()) == "the handler asked for a retry"


@pytest.mark.parametrize("after", [0, 0.0, 1.5, 366 * 86_400])
def test_a_delay_up_to_366_days_is_allowed(after: float) -> None:
    assert Retry(after).after == after


@pytest.mark.parametrize("after", [-1, -0.001, 366 * 86_400 + 1, float("nan"), float("inf"), "10", [1]])
def test_any_other_delay_is_refused_with_a_sentence(after: Any) -> None:
    with pytest.raises(ValueError, match=r"seconds from 0 to 31,622,400 \(366 days\) are allowed"):
        Retry(after)


def test_a_failure_carries_its_reason() -> None:
    assert str(Fail("no such image")) == "no such image"
    assert Fail("no such image").reason == "no such image"


@pytest.mark.parametrize("outcome", [Retry(5, "later"), Retry(), Fail("never")])
def test_an_outcome_survives_a_process_pool(outcome: Retry | Fail) -> None:
    copy = pickle.loads(pickle.dumps(outcome))

    assert type(copy) is type(outcome)
    assert vars(copy) == vars(outcome)


def test_outcomes_are_exceptions_but_no_errors_of_ours() -> None:
    assert not issubclass(Retry, HandlerError)
    assert not issubclass(Fail, HandlerError)
    assert issubclass(Retry, Exception)


def test_a_soft_timeout_is_no_exception_that_a_handler_swallows_by_the_way() -> None:
    assert issubclass(SoftTimeout, BaseException)
    assert not issubclass(SoftTimeout, Exception)
