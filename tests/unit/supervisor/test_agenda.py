"""What is due while an attempt runs."""

from jobworker.supervisor.agenda import NOTHING, SOFT_AGAIN_SECONDS, STACK_SECONDS, Due, Step, agenda_of


def test_an_attempt_is_asked_for_its_stack_and_then_killed_at_its_deadline() -> None:
    assert agenda_of(2.5) == (Due(2.5 - STACK_SECONDS, Step.STACK), Due(2.5, Step.KILL))


def test_of_an_attempt_with_hardly_any_time_the_stack_is_asked_at_once() -> None:
    assert agenda_of(0.01) == (Due(0.0, Step.STACK), Due(0.01, Step.KILL))


def test_without_a_deadline_nothing_is_to_come() -> None:
    assert agenda_of(None) == NOTHING


def test_a_soft_timeout_comes_before_the_deadline_and_also_without_one() -> None:
    soft = (Due(1.5, Step.SOFT_TIMEOUT), Due(1.5 + SOFT_AGAIN_SECONDS, Step.SOFT_TIMEOUT))
    assert agenda_of(2.5, 1.5) == (*soft, *agenda_of(2.5))
    assert agenda_of(None, 1.5) == soft
    assert agenda_of(1.55, 1.5) == (soft[0], *agenda_of(1.55))
    assert [due.step for due in agenda_of(1.61, 1.5)] == [Step.SOFT_TIMEOUT, Step.STACK, Step.SOFT_TIMEOUT, Step.KILL]
