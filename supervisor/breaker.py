"""Types of jobs that keep killing their workers: held back here, and tried again one job at a time."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog
from msgspec import Struct

from jobworker.store.states import CRASHES, Outcome
from jobworker.supervisor.board import boottime_ns

log = structlog.get_logger("jobworker.breaker")

#: The wait before one job is tried; doubles up to the longest with each that crashes.
FIRST_HOLD_SECONDS: Final = 10.0
LONGEST_HOLD_SECONDS: Final = 300.0
#: How long the others are put back for while one is being tried.
TRIAL_SECONDS: Final = 5.0
#: Put back, they return so many at a time and not sooner one after the other: each costs a claim and a settle.
RETURN_BATCH: Final = 20
RETURN_STEP_NS: Final = 100_000_000

#: Who is lost has not crashed here.
_CRASHES_HERE: Final = CRASHES - {Outcome.LOST}
#: The handler had its say and its worker lives. All else says nothing of the kind.
_PROOFS: Final = frozenset({Outcome.SUCCEEDED, Outcome.RAISED, Outcome.TIMED_OUT, Outcome.BAD_RESULT})


@dataclass(slots=True)
class Hold:
    """A type that is held. Times are CLOCK_BOOTTIME's."""

    type: str
    why: str
    since_ns: int
    wait_seconds: float
    #: When one job of it is tried.
    until_ns: int
    #: Token of the attempt that is being tried.
    trial: int | None = None
    #: When those put back last return, and how many do so then.
    return_ns: int = 0
    returning: int = 0


class Refusal(Struct, frozen=True):
    """A job must not begin now."""

    why: str
    delay_ms: int


class Breaker:
    """Owns which types are held on this supervisor.

    Told:   a job was claimed, an attempt ended (by the desk).
    Tells:  the desk, which job must wait; the roster, which types are held.
    """

    def __init__(self, max_crashes: int, window_seconds: float, *, clock_ns: Callable[[], int] = boottime_ns) -> None:
        self._max_crashes = max_crashes
        self._window_seconds = window_seconds
        self._clock_ns = clock_ns
        #: When each type has crashed, the latest last.
        self._crashes: dict[str, deque[int]] = {}
        self._holds: dict[str, Hold] = {}

    @property
    def holds(self) -> tuple[Hold, ...]:
        """What is held now."""
        return tuple(self._holds.values())

    def refusal(self, job_type: str, token: int) -> Refusal | None:
        """Return why a claimed job must wait; None: it may begin, perhaps as the one that is tried."""
        hold = self._holds.get(job_type)
        if hold is None:
            return None
        now_ns = self._clock_ns()
        if hold.trial is None and hold.until_ns <= now_ns:
            hold.trial = token
            return None
        return Refusal(f"held: {hold.why}", -(-(_return_ns(hold, now_ns) - now_ns) // 1_000_000))

    def ended(self, job_type: str, token: int, outcome: Outcome, why: str) -> None:
        """Note how an attempt ended; `why` says how its worker died, if it did."""
        hold = self._holds.get(job_type)
        if hold is None:
            if outcome in _CRASHES_HERE:
                self._count(job_type, why)
        elif hold.trial == token:
            hold.trial = None
            self._judge(hold, outcome, why)

    def _count(self, job_type: str, why: str) -> None:
        now_ns = self._clock_ns()
        crashes = self._crashes.setdefault(job_type, deque(maxlen=self._max_crashes + 1))
        crashes.append(now_ns)
        if len(crashes) > self._max_crashes and now_ns - crashes[0] <= self._window_seconds * 1e9:
            del self._crashes[job_type]
            why = f"more than {self._max_crashes} crashes within {self._window_seconds:g} s, the last: {why}"
            self._hold(Hold(job_type, why, now_ns, FIRST_HOLD_SECONDS, _after(now_ns, FIRST_HOLD_SECONDS)))

    def _judge(self, hold: Hold, outcome: Outcome, why: str) -> None:
        now_ns = self._clock_ns()
        if outcome in _CRASHES_HERE:
            wait_seconds = min(2 * hold.wait_seconds, LONGEST_HOLD_SECONDS)
            why = f"it crashed again when it was tried: {why}"
            self._hold(Hold(hold.type, why, hold.since_ns, wait_seconds, _after(now_ns, wait_seconds)))
        elif outcome in _PROOFS:
            del self._holds[hold.type]
            held_seconds = round((now_ns - hold.since_ns) / 1e9, 1)
            log.info("a type is held no longer", type=hold.type, held_seconds=held_seconds)

    def _hold(self, hold: Hold) -> None:
        self._holds[hold.type] = hold
        log.warning("a type is held", type=hold.type, why=hold.why, next_try_seconds=hold.wait_seconds)


def _after(now_ns: int, seconds: float) -> int:
    return now_ns + round(seconds * 1e9)


def _return_ns(hold: Hold, now_ns: int) -> int:
    """Return when the next job that is put back returns: in steps, so that thousands do not come at once."""
    earliest = hold.until_ns if hold.until_ns > now_ns else _after(now_ns, TRIAL_SECONDS)
    earliest = -(-earliest // RETURN_STEP_NS) * RETURN_STEP_NS
    if hold.return_ns < earliest:
        hold.return_ns, hold.returning = earliest, 0
    elif hold.returning == RETURN_BATCH:
        hold.return_ns, hold.returning = hold.return_ns + RETURN_STEP_NS, 0
    hold.returning += 1
    return hold.return_ns
