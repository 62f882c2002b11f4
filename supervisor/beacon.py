"""Signs of life for those who watch from outside: the beat file and the service manager."""

import asyncio
import enum
import os
import time
from collections.abc import Callable
from typing import Final

import structlog

from jobworker.supervisor.beatfile import Beat, BeatFile
from jobworker.supervisor.board import boottime_ns
from jobworker.supervisor.notify import Notifier
from jobworker.supervisor.ticks import until_tick

log = structlog.get_logger("jobworker.beacon")

#: How often there is a sign of life.
BEAT_SECONDS: Final = 1.0


class Stage(enum.Enum):
    """Where a supervisor is in its life; the value is what sd_notify calls it."""

    STARTING = ""
    SERVING = "READY=1"
    RELOADING = "RELOADING=1"
    DRAINING = "STOPPING=1"


class Beacon:
    """Owns the beat file and the words to the service manager.

    Told:   registered, reloading, reloaded, draining (by the supervisor).
    Tells:  `jobworker healthcheck supervisor`, by the beat file; systemd, by its socket; `ps`, by what `show` does.
    Ends:   when cancelled; `put_out` takes the file away after a clean end, and leaves it to go stale after any other.
    """

    def __init__(self, file: BeatFile, notifier: Notifier, trouble: Callable[[], str]) -> None:
        self._file = file
        self._notifier = notifier
        #: What is the matter with Redis; empty: nothing.
        self._trouble = trouble
        #: Connected by the supervisor; called with each beat.
        self.show: Callable[[], object] = bool
        self._stage = Stage.STARTING
        self._reload_began_us = 0
        #: What the service manager has heard of last.
        self._told: tuple[str, ...] = ()
        self._is_dark = False
        watchdog_seconds = notifier.watchdog_seconds
        # Half the time, as sd_watchdog_enabled(3) has it.
        self._period_seconds = min(BEAT_SECONDS, watchdog_seconds / 2) if watchdog_seconds else BEAT_SECONDS

    def registered(self) -> None:
        """Say that jobs are taken."""
        if self._stage is Stage.STARTING:
            self._stage = Stage.SERVING
        self._beat()

    def reloading(self) -> None:
        """Say that other handler code is tried."""
        if self._stage in (Stage.SERVING, Stage.RELOADING):
            self._stage = Stage.RELOADING
            # By it systemd knows that this is the answer to its own request.
            self._reload_began_us = time.monotonic_ns() // 1000
            self._beat()

    def reloaded(self) -> None:
        """Say that it is known which code goes on."""
        if self._stage is Stage.RELOADING:
            self._stage = Stage.SERVING
            self._beat()

    def draining(self) -> None:
        """Say that no jobs are taken any more."""
        self._stage = Stage.DRAINING
        self._beat()

    async def run(self) -> None:
        """Beat, for ever."""
        while True:
            self._beat()
            await asyncio.sleep(until_tick(self._period_seconds))

    def put_out(self) -> None:
        """End without a trace."""
        try:
            self._file.remove()
        except OSError as error:
            log.warning("the beat file cannot be removed", error=str(error))
        self._notifier.close()

    def _beat(self) -> None:
        trouble = self._trouble()
        status = _status(self._stage, trouble)
        self.show()
        self._write(Beat(os.getpid(), boottime_ns(), not trouble, status))
        self._notify(status)

    def _write(self, beat: Beat) -> None:
        try:
            self._file.write(beat)
        except OSError as error:
            if not self._is_dark:
                log.warning("the beat file cannot be written; healthchecks will fail, jobs go on", error=str(error))
            self._is_dark = True
            return
        if self._is_dark:
            log.info("the beat file is written again")
        self._is_dark = False

    def _notify(self, status: str) -> None:
        began = f"MONOTONIC_USEC={self._reload_began_us}" if self._stage is Stage.RELOADING else ""
        words = tuple(filter(None, (self._stage.value, began, f"STATUS={status}")))
        # Said again with the next beat if it could not be sent; nothing is said twice otherwise.
        news = words if words != self._told else ()
        watchdog = ("WATCHDOG=1",) if self._notifier.watchdog_seconds else ()
        if self._notifier.tell(*news, *watchdog):
            self._told = words


def _status(stage: Stage, trouble: str) -> str:
    starting = stage is Stage.STARTING
    doing = "starting: not registered in Redis yet" if starting else stage.name.lower()
    if not trouble:
        return doing
    return f"{doing}; {trouble}" if starting else f"{doing}; workers go on, results wait: {trouble}"
