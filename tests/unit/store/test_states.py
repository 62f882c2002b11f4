"""States, outcomes, and which may follow which."""

from jobworker.store.states import CRASHES, ENDED, FAILURES, FREE, TRANSITIONS, JobState, Outcome


def test_every_state_has_its_row() -> None:
    assert set(TRANSITIONS) == set(JobState)


def test_from_a_terminal_state_only_a_retry_leads_on() -> None:
    assert {state for state, following in TRANSITIONS.items() if following == {JobState.PENDING}} == ENDED


def test_every_state_can_be_reached() -> None:
    reached, fresh = set(), {JobState.PENDING, JobState.SCHEDULED}
    while fresh:
        reached |= fresh
        fresh = {following for state in fresh for following in TRANSITIONS[state]} - reached
    assert reached == set(JobState)


def test_a_job_starts_from_pending_only_and_expires_only_before_it_starts() -> None:
    assert {state for state in JobState if JobState.RUNNING in TRANSITIONS[state]} == {JobState.PENDING}
    assert {state for state in JobState if JobState.EXPIRED in TRANSITIONS[state]} == {
        JobState.PENDING,
        JobState.SCHEDULED,
    }


def test_no_outcome_spends_two_budgets() -> None:
    assert not FREE & FAILURES
    assert not FREE & CRASHES
    assert not FAILURES & CRASHES
    assert set(Outcome) - FREE - FAILURES - CRASHES == {
        Outcome.SUCCEEDED,
        Outcome.REJECTED,
        Outcome.UNHANDLED,
        Outcome.BAD_RESULT,
        Outcome.CANCELLED,
    }
