"""Checks of who is there: jobs, supervisors, queues, pauses, handlers."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Final

from jobworker.store.finding import Finding, counted, ok, problem, warning
from jobworker.store.fleet import Supervisor
from jobworker.store.inspection import Population
from jobworker.store.keys import ALL_QUEUES
from jobworker.store.roster import Roster

#: After so long somebody should have taken over the jobs of a dead supervisor.
REAPED_AFTER_MS: Final = 60_000
#: Kills are to come within 50 ms of their deadline.
LONGEST_LAG_MS: Final = 50.0


def jobs(population: Population) -> Iterator[Finding]:
    """How many there are."""
    yield ok("jobs", ", ".join(f"{count} {status}" for status, count in population.jobs.items()))


def supervisors(population: Population) -> Iterator[Finding]:
    """Who runs them."""
    living = _living(population)
    names = ", ".join(f"{member.name} (pid {member.pid} on {member.host})" for member in living)
    if living:
        yield ok("supervisors", names)
    else:
        yield warning("supervisors", "none is running", "start `jobworker supervisor`: until then every job waits")


def records(population: Population) -> Iterator[Finding]:
    """Whether every living supervisor has its record."""
    for member in _living(population):
        if member.host is None:
            advice = "restart it, and see that nobody deletes keys of jobworker"
            yield problem("supervisors", f"the record of supervisor {member.name}:{member.epoch} is gone", advice)


def lags(population: Population) -> Iterator[Finding]:
    """Whether the loops of the supervisors turn as quickly as deadlines need."""
    for member in _living(population):
        lag_ms = None if member.roster is None else member.roster.loop_lag_ms
        if lag_ms is not None and lag_ms > LONGEST_LAG_MS:
            fact = f"the loop of supervisor {member.name} was blocked for {lag_ms:.0f} ms in the last minute"
            yield warning("supervisors", fact, "give it more CPU, or fewer workers: deadlines and cancels come late")


def workers(population: Population) -> Iterator[Finding]:
    """Whether every place for a worker is filled, with the handler code that is on disk."""
    for member in _living(population):
        roster = member.roster or Roster()
        if roster.stale:
            advice = "mend the handlers, then send SIGHUP to its process"
            yield warning("workers", f"supervisor {member.name}: {roster.stale}", advice)
        for held in roster.held_slots:
            fact = f"supervisor {member.name} holds slot {held.slot} empty: workers keep dying there ({held.why})"
            yield warning(
                "workers",
                fact,
                "its log names the jobs, if they had any (`worker died`); it tries again by itself",
            )


def dead(population: Population) -> Iterator[Finding]:
    """Whose jobs wait to be taken over."""
    for member in population.members:
        if member.running and not member.is_living:
            yield _dead(member, has_heirs=bool(_living(population)))


def _dead(member: Supervisor, *, has_heirs: bool) -> Finding:
    name = f"{member.name}:{member.epoch}"
    fact = f"supervisor {name} is dead, and nobody has taken over yet what it ran: {counted(member.running, 'job')}"
    if not has_heirs:
        return warning("supervisors", fact, "start a supervisor: it takes them over")
    if -member.lease_left_ms < REAPED_AFTER_MS:
        return warning("supervisors", fact, "wait: another one takes them over when it has run for a lease term")
    return problem("supervisors", fact, "read the logs of the others: taking over should take seconds")


def pauses(population: Population) -> Iterator[Finding]:
    """What is held back."""
    if not population.pauses:
        yield ok("pauses", "none")
    for pause in population.pauses:
        what = "everything" if pause.queue == ALL_QUEUES else f"queue {pause.queue}"
        since = _instant(pause.since_ms)
        reason = f": {pause.reason}" if pause.reason else ""
        option = "" if pause.queue == ALL_QUEUES else f" --queue {pause.queue}"
        fact = f"{what} is paused by {pause.who} since {since}{reason}"
        yield warning("pauses", fact, f"`jobworker resume{option}` lifts it")


def queues(population: Population) -> Iterator[Finding]:
    """Whether somebody serves them."""
    living = _living(population)
    left = [queue for queue in population.pending if living and not any(member.serves(queue) for member in living)]
    for queue in left:
        fact = f"no supervisor serves queue {queue}, pending there: {counted(population.pending[queue], 'job')}"
        advice = f"start `jobworker supervisor --queue {queue}`, or one without --queue"
        yield (warning("queues", fact, advice) if population.pending[queue] else ok("queues", fact))
    if living and not left:
        yield ok("queues", f"{counted(len(population.pending), 'queue')}, each of them served")


def handlers(population: Population) -> Iterator[Finding]:
    """Whether the supervisors agree on what a type takes."""
    living = _living(population)
    names = sorted({name for member in living for name in member.types})
    disputed = [name for name in names if len({member.types.get(name) for member in living} - {None}) > 1]
    for name in disputed:
        who = ", ".join(member.name for member in living if name in member.types)
        fact = f"{who} declare type {name} with different payloads or defaults; the API goes by who registered last"
        yield warning("handlers", fact, "give them the same version of the handlers")
    if not disputed:
        yield ok("handlers", f"{counted(len(names), 'type')}, and no two supervisors disagree")


def held_types(population: Population) -> Iterator[Finding]:
    """Which types a supervisor does not run for a while."""
    for member in _living(population):
        for held in member.roster.held_types if member.roster else ():
            since, until = _instant(held.since_ms), _instant(held.until_ms)
            fact = f"supervisor {member.name} holds type {held.type} since {since}: {held.why}; next try {until}"
            advice = f"see what kills its workers: `jobworker jobs --type {held.type}`; a restart tries at once"
            yield warning("handlers", fact, advice)


CHECKS: Final[tuple[Callable[[Population], Iterator[Finding]], ...]] = (
    *(jobs, supervisors, records, lags, workers, dead),
    *(pauses, queues, handlers, held_types),
)


def _instant(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds")


def _living(population: Population) -> list[Supervisor]:
    return [member for member in population.members if member.is_living]
