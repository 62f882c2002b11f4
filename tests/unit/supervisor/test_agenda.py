"""What is due while an attempt runs."""

from jobworker.supervisor.agenda import NOTHING, Due, Step, agenda_of


def test_an_attempt_is_killed_at_its_deadline() -> None:
    assert agenda_of(2.5) == (Due(2.5, Step.KILL),)


def test_without_a_deadline_nothing_is_to_come() -> None:
    assert agenda_of(None) == NOTHING
