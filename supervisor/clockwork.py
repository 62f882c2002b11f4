"""Firing schedules: when one is due, its occurrences become jobs."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from jobworker.store.errors import ScheduleDamaged, StoreError
from jobworker.store.job import NewJob
from jobworker.store.schedules import Dial, DueSchedule, Firing
from jobworker.store.timing import MAX_CAUGHT_UP
from jobworker.supervisor.trouble import Trouble

log = structlog.get_logger("jobworker.clockwork")

#: How long to wait when Redis could not be asked.
RETRY_SECONDS: Final = 0.5
#: A timer may be early by the rounding of a clock.
EARLY_SECONDS: Final = 0.001


class Clockwork:
    """Owns the timer of the next schedule that is due. Any number of supervisors may have one: Redis lets one fire.

    Told:   when a schedule is due (by the lease, of each beat).
    Tells:  Redis, which occurrences become jobs.
    Ends:   when cancelled.
    """

    def __init__(self, dial: Dial, decide: Callable[[NewJob], Awaitable[tuple[NewJob, bool]]]) -> None:
        self._dial = dial
        #: Completes a job, and tells whether anybody knows its type.
        self._decide = decide
        self._timer: asyncio.TimerHandle | None = None
        self._is_due = asyncio.Event()
        self._trouble = Trouble("jobworker.clockwork")

    def expect(self, in_ms: int | None) -> None:
        """Fire in so many ms; None: nothing is scheduled."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if in_ms is not None:
            seconds = in_ms / 1000 + EARLY_SECONDS
            self._timer = asyncio.get_running_loop().call_later(seconds, self._is_due.set)

    async def run(self) -> None:
        """Fire whenever something is due."""
        while True:
            await self._is_due.wait()
            self._is_due.clear()
            try:
                await self._fire_due()
                self._trouble.over()
            except StoreError as error:
                self._trouble.met("schedules cannot be fired", error)
                await asyncio.sleep(RETRY_SECONDS)
                self._is_due.set()

    async def _fire_due(self) -> None:
        while True:
            dues = await self._dial.due()
            for schedule in dues.schedules:
                await self._fire(schedule, dues.now_ms)
            if not dues.schedules:
                if dues.damaged:
                    raise ScheduleDamaged(dues.damaged)
                self.expect(dues.next_in_ms)
                return

    async def _fire(self, schedule: DueSchedule, now_ms: int) -> None:
        due = schedule.timing.due(schedule.due_ms, now_ms)
        wanted = wanted_of(due, schedule, now_ms)
        template, is_known = await self._decide(schedule.template)
        firing = Firing(
            schedule=schedule,
            due=wanted,
            template=template,
            missed=len(due) - len(wanted),
            next_due_ms=schedule.timing.next_after(now_ms),
            wrong="" if is_known else f"no supervisor knows the type {template.type}",
        )
        fired = await self._dial.fire(firing)
        if fired is not None and fired.is_news:
            log.warning("a schedule has trouble", schedule=schedule.name, why=fired.error)


def wanted_of(due: Sequence[int], schedule: DueSchedule, now_ms: int) -> list[int]:
    """Return which of the due occurrences are fired, oldest first: those in time, and what is made up for."""
    in_time = [due_ms for due_ms in due if now_ms - due_ms <= schedule.grace_ms]
    late = due[: len(due) - len(in_time)]
    if schedule.misfire == "all":
        return [*late, *in_time][-MAX_CAUGHT_UP:]
    if schedule.misfire == "once" and late and not in_time:
        return [late[-1]]
    return in_time[-MAX_CAUGHT_UP:]
