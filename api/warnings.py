"""What keeps jobs from running although Redis takes them, in sentences."""

from collections.abc import Iterator, Sequence
from typing import Final

from jobworker.api.views import format_instant
from jobworker.store.fleet import Queue, Supervisor
from jobworker.store.jobs import JobStore
from jobworker.store.keys import ALL_QUEUES
from jobworker.store.pause import Pause
from jobworker.store.roster import Roster

#: After this a supervisor has told of its workers.
SETTLED_MS: Final = 5000
#: So many queues are named; a thousand would be no sentence.
NAMED_QUEUES: Final = 5


def warnings_of(store: JobStore) -> Iterator[str]:
    """Yield a sentence for each thing that somebody should look at."""
    supervisors = store.fleet.supervisors()
    if not supervisors:
        yield "no supervisor is running"
    yield from (sentence for supervisor in supervisors for sentence in _describe_supervisor(supervisor))
    # One that serves every queue leaves none alone.
    if supervisors and all(supervisor.queues for supervisor in supervisors):
        yield from _describe_unserved(store.fleet.queues())
    yield from map(_describe_pause, store.pauses())


def _describe_supervisor(supervisor: Supervisor) -> Iterator[str]:
    """What a record that is half gone, or of another version, does not tell is no reason to warn."""
    if supervisor.silent_ms is not None and supervisor.silent_ms > 2 * supervisor.lease_left_ms:
        yield f"supervisor {supervisor.name} was last heard {supervisor.silent_ms / 1000:.0f} s ago"
    # A supervisor that has just registered has told of none yet.
    settled = supervisor.now_ms - supervisor.epoch / 1000 > SETTLED_MS
    roster = supervisor.roster
    if settled and roster is not None and all(worker.state == "ending" for worker in roster.workers):
        yield f"supervisor {supervisor.name} has no worker that can run a job; {_why_none(roster)}"
    if roster is not None:
        yield from _describe_roster(supervisor, roster)


def _why_none(roster: Roster) -> str:
    if roster.stale:
        return "mend its handlers and reload it (SIGHUP)"
    return "those it had have ended; it starts new ones (see its log)"


def _describe_roster(supervisor: Supervisor, roster: Roster) -> Iterator[str]:
    name = supervisor.name
    if roster.stale:
        yield f"supervisor {name}: {roster.stale}"
    for slot in roster.held_slots:
        until = format_instant(slot.until_ms)
        yield f"supervisor {name} holds slot {slot.slot} empty until {until}: workers keep dying there ({slot.why})"
    for held in roster.held_types:
        when = f"at {format_instant(held.until_ms)}" if held.until_ms > supervisor.now_ms else "next"
        since = format_instant(held.since_ms)
        yield f"supervisor {name} holds type {held.type} since {since}: {held.why}; it tries one job {when}"


def _describe_unserved(queues: Sequence[Queue]) -> Iterator[str]:
    names = [queue.name for queue in queues if queue.pending and not queue.supervisors]
    if names:
        more = f" and {len(names) - NAMED_QUEUES} more" if len(names) > NAMED_QUEUES else ""
        yield f"jobs wait in queues that no running supervisor serves: {', '.join(names[:NAMED_QUEUES])}{more}"


def _describe_pause(pause: Pause) -> str:
    what = "every queue" if pause.queue == ALL_QUEUES else f"queue {pause.queue}"
    why = f": {pause.reason}" if pause.reason else ""
    return f"paused: {what}, since {format_instant(pause.since_ms)}, by {pause.who}{why}"
