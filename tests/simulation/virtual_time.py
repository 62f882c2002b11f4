"""An event loop whose clock jumps to the next thing to do, and hosts whose part of it may stand still."""

import asyncio
import contextvars
import itertools
import selectors
from collections.abc import Callable
from typing import Any

from jobworker.supervisor.lag import LagSelector


class Stalled(Exception):
    """Nothing is left that could ever happen."""


class Host:
    """A machine with one supervisor: what begins in its context is done on it."""

    def __init__(self, name: str, boot_offset_ns: int) -> None:
        self.name = name
        self.boot_offset_ns = boot_offset_ns
        #: Stopped as by SIGSTOP: what is due meanwhile is done when it goes on.
        self.stopped = False
        #: Killed: it has no effect any more.
        self.dead = False
        #: Its processes, once there are any.
        self.table: Any = None
        self.held: list[tuple[Callable[..., object], tuple[Any, ...], contextvars.Context]] = []


HERE: contextvars.ContextVar[Host | None] = contextvars.ContextVar("HERE", default=None)


class _Jump(selectors.SelectSelector):
    """Instead of waiting it moves the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise Stalled
        self.now += max(0.0, timeout)
        return []


class SimulatedLoop(asyncio.SelectorEventLoop):
    """Plays the supervisor's loop for all hosts at once."""

    def __init__(self) -> None:
        self._jump = _Jump()
        #: Nobody is ever blocked here.
        self.lag = LagSelector(clock=lambda: 0.0)
        super().__init__(self._jump)
        self._clock_resolution = 1e-9
        #: Of processes and descriptors.
        self.numbers = itertools.count(10_000)
        self._readers: dict[int, tuple[Callable[..., object], tuple[Any, ...], contextvars.Context]] = {}

    def time(self) -> float:
        return self._jump.now

    def when_single_threaded(self, action: Callable[[], object]) -> None:
        action()

    def add_reader(self, fd: Any, callback: Callable[..., object], *args: Any) -> None:  # type: ignore[override]
        """Call back when `readable` says so; the descriptors are made up."""
        self._readers[fd] = (callback, args, contextvars.copy_context())

    def remove_reader(self, fd: Any) -> bool:
        return self._readers.pop(fd, None) is not None

    def readable(self, fd: int) -> None:
        """Say that there is something to read."""
        self.call_soon(self._read, fd)

    def _read(self, fd: int) -> None:
        if (reader := self._readers.get(fd)) is not None:
            callback, args, context = reader
            self.call_soon(callback, *args, context=context)

    def call_soon(  # type: ignore[override]
        self, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        return super().call_soon(_held(callback, context), *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        return super().call_at(when, _held(callback, context), *args, context=context)

    def resume(self, host: Host) -> None:
        """Let a stopped host do what was due meanwhile."""
        host.stopped = False
        held, host.held = host.held, []
        for callback, args, context in held:
            self.call_soon(callback, *args, context=context)


def _held(callback: Any, context: contextvars.Context | None) -> Any:
    """Return a callback that waits while its host is stopped."""
    host = HERE.get() if context is None else context.get(HERE)
    if host is None:
        return callback

    def run(*args: Any) -> None:
        if host.stopped:
            host.held.append((callback, args, contextvars.copy_context()))
        else:
            callback(*args)

    return run
