"""What is due while an attempt runs."""

from jobworker.supervisor.agenda import NOTHING, SOFT_AGAIN_SECONDS, Due, Step, agenda_of


def test_an_attempt_is_killed_at_its_deadline() -> None:
    assert agenda_of(2.5) == (Due(2.5, Step.KILL),)


def test_without_a_deadline_nothing_is_to_come() -> None:
    assert agenda_of(None) == NOTHING


def test_a_soft_timeout_comes_before_the_deadline_and_also_without_one() -> None:
    soft = (Due(1.5, Step.SOFT_TIMEOUT), Due(1.5 + SOFT_AGAIN_SECONDS, Step.SOFT_TIMEOUT))
    assert agenda_of(2.5, 1.5) == (*soft, Due(2.5, Step.KILL))
    assert agenda_of(None, 1.5) == soft
    assert agenda_of(1.55, 1.5) == (soft[0], Due(1.55, Step.KILL))
