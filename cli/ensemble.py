"""All parts of `jobworker up`: started one after the other, watched together, stopped in reverse."""

from collections.abc import Callable, Sequence
from typing import Final, NoReturn

from jobworker.cli.ending import Ending
from jobworker.cli.inbox import Ask, SignalInbox
from jobworker.cli.output import say
from jobworker.cli.parts import Part

#: How often a part is asked whether it is ready; it can only be asked.
READY_POLL_SECONDS: Final = 0.05
#: Nothing is due: we are woken by a signal.
IDLE_SECONDS: Final = 3600.0


class _StopAsked(Exception):  # control flow, no error
    """Somebody asked to stop."""


class _StartFailed(Exception):  # control flow: what is to be said has been said
    """A part ended before all were ready."""


class Ensemble:
    """Owns the parts, in the order in which they are started.

    Told:  to stop or to hurry, by signals; the second one hurries.
    Tells: when all are ready.
    Ends:  when every process has ended.
    """

    def __init__(
        self, parts: Sequence[Part], inbox: SignalInbox, *, announce: Callable[[], None], clock: Callable[[], float]
    ) -> None:
        self._parts = parts
        self._inbox = inbox
        self._announce = announce
        self._clock = clock
        self._ready = False
        self._hurried = False
        self._killed = False

    def run(self) -> int:
        """Start, watch until asked to stop, drain; return the exit code."""
        try:
            self._start()
            self._announce()
            self._watch()
        except _StopAsked:
            say("jobworker: draining; once more hurries", err=True)
            code = 0
        except _StartFailed:
            code = 1
        finally:
            self._drain()
        return 1 if self._killed else code

    def _start(self) -> None:
        for number, part in enumerate(self._parts, 1):
            part.start()
            while not part.is_ready():
                self._require_alive(self._parts[:number])
                self._wait(READY_POLL_SECONDS)
        self._ready = True

    def _require_alive(self, parts: Sequence[Part]) -> None:
        for part in parts:
            if not part.runs:
                if (sentence := part.why_it_ended()) is not None:
                    say(f"jobworker: {sentence}", err=True)
                raise _StartFailed

    def _watch(self) -> NoReturn:
        while True:
            _tend(self._parts)
            self._wait(self._seconds_until_due(self._parts))

    def _wait(self, seconds: float) -> None:
        ask = self._inbox.wait(seconds)
        if ask is None:
            return
        self._hurried = ask is Ask.HURRY
        raise _StopAsked

    def _drain(self) -> None:
        for number in reversed(range(len(self._parts))):
            # While the supervisor settles its last jobs, the server must stay up. After a start that failed, nothing
            # may come back, or it would complain again.
            self._stop(self._parts[number], self._parts[:number] if self._ready else ())

    def _stop(self, part: Part, others: Sequence[Part]) -> None:
        ending = Ending(part, self._clock, hurried=self._hurried)
        while part.runs:
            _tend(others)
            seconds = min(self._seconds_until_due(others), ending.due_at - self._clock())
            if self._inbox.wait(seconds) in {Ask.STOP, Ask.HURRY}:
                self._hurried = True
                ending.hurry()
            ending.tend()
        self._killed |= ending.killed

    def _seconds_until_due(self, parts: Sequence[Part]) -> float:
        due = [part.due_at - self._clock() for part in parts if part.due_at is not None]
        return min([IDLE_SECONDS, *due])


def _tend(parts: Sequence[Part]) -> None:
    for part in parts:
        part.tend()
