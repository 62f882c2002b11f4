"""Where follow-up jobs go."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from jobworker.handlers.declaration import BackoffDeclaration
from jobworker.handlers.submission import FollowUp
from jobworker.store.backoff import Backoff
from jobworker.store.catalogue import HandlerDefaults, HandlerEntry
from jobworker.store.claims import Settle
from jobworker.store.job import NewJob
from jobworker.store.settings import JobSettings
from jobworker.store.states import Outcome
from jobworker.supervisor.routes import Routes, new_job

SETTINGS = JobSettings(queue="usual", priority=4)


def entry(name: str, **declared: Any) -> HandlerEntry:
    return HandlerEntry(name, {}, HandlerDefaults(**declared))


class Catalogue:
    """What others declare; remembers what it was asked for."""

    def __init__(self, *entries: HandlerEntry) -> None:
        self.entries = {one.type: one for one in entries}
        self.asked: list[list[str]] = []

    async def ask(self, types: Sequence[str]) -> Mapping[str, HandlerEntry]:
        self.asked.append(list(types))
        return {name: self.entries[name] for name in types if name in self.entries}


def settle(*follow_ups: FollowUp) -> Settle:
    return Settle("job-1", 1, Outcome.SUCCEEDED, 3, 3, follow_ups=tuple(map(new_job, follow_ups)))


def complete(others: Catalogue, *settles: Settle, own: Sequence[HandlerEntry] = ()) -> list[list[tuple[str, int]]]:
    """Return the queue and the priority of each settle's jobs."""
    routes = Routes(lambda: {one.type: one for one in own}, others.ask, SETTINGS)
    completed = asyncio.run(routes.complete(list(settles)))
    return [[(job.queue, job.priority) for job in one.follow_ups] for one in completed]


def test_what_was_said_goes_before_what_is_declared_and_that_before_what_is_set() -> None:
    own = [entry("mail", queue="mails", priority=9)]
    said = FollowUp("1", "mail", b"1", "fast", 10)
    half, unsaid, unknown = FollowUp("2", "mail", b"1", "fast"), FollowUp("3", "mail", b"1"), FollowUp("4", "x", b"1")
    found = complete(Catalogue(), settle(said, half), settle(unsaid, unknown), own=own)
    assert found == [[("fast", 10), ("fast", 9)], [("mails", 9), ("usual", 4)]]


def test_of_types_that_only_others_run_redis_is_asked_once_and_only_if_it_matters() -> None:
    others = Catalogue(entry("far", queue="away"), entry("mail", queue="wrong"))
    own = [entry("mail")]
    twice = [FollowUp("1", "far", b"1"), FollowUp("2", "far", b"1", priority=1), FollowUp("3", "mail", b"1")]
    decided = FollowUp("4", "farther", b"1", "q", 1)
    assert complete(others, settle(*twice), settle(decided), own=own) == [
        [("away", 4), ("away", 1), ("usual", 4)],
        [("q", 1)],
    ]
    assert others.asked == [["far"]]


def test_settles_without_follow_ups_are_left_alone() -> None:
    others = Catalogue()
    settles = [settle(), settle()]
    assert asyncio.run(Routes(dict, others.ask, SETTINGS).complete(settles)) is settles
    assert others.asked == []


def test_everything_else_that_was_said_is_the_job_s() -> None:
    at = datetime(2027, 1, 15, 8, tzinfo=UTC)
    full = FollowUp(
        *("1", "mail", b"[1]", "q", 10),
        run_at=at,
        expires_at=at.replace(hour=9),
        timeout=2.5,
        max_attempts=3,
        max_crashes=4,
        backoff=BackoffDeclaration(base=9),
        memory_limit_mb=5,
    )
    at_ms = 1_800_000_000_000
    assert new_job(full) == NewJob(
        *("1", "mail", "q", 10, b"[1]", 0, at_ms, at_ms + 3_600_000, 2500, 3, 4),
        backoff=Backoff(base=9),
        memory_limit_mb=5,
    )
    assert new_job(FollowUp("1", "mail", b"1", delay=1.5)).delay_ms == 1500
