"""What befalls a supervisor in a soak: shots at its workers, reloads of code that differs or is broken, resizes."""

import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

SOURCE: Final = Path(__file__).with_name("handlers.py")


class Disturbances:
    """Owns when the supervisor and its workers are disturbed next, and the handlers' file."""

    def __init__(self, supervisor: psutil.Process, handlers: Path, chance: random.Random) -> None:
        self.done: Counter[str] = Counter()
        self._supervisor = supervisor
        self._handlers = handlers
        self._chance = chance
        now = time.monotonic()
        #: What is done, every so many seconds; the first time later by another part of it, so that they do not meet.
        self._periods: dict[Callable[[], None], float] = {
            self.shoot: 0.7,
            self.change: 3.0,
            self.spoil: 7.0,
            self.grow: 5.0,
            self.shrink: 5.0,
        }
        self._due = {
            act: now + every * (0.3 + 0.15 * place) for place, (act, every) in enumerate(self._periods.items())
        }

    def disturb(self) -> None:
        """Do what is due."""
        now = time.monotonic()
        for act, due in self._due.items():
            if due <= now:
                act()
                self.done[act.__name__] += 1
                self._due[act] = now + self._periods[act]

    def shoot(self) -> None:
        """Shoot a child of the supervisor: busy, idle, spare, starting, or an orphan that it is about to end."""
        if children := self._supervisor.children():
            with suppress(psutil.NoSuchProcess):
                self._chance.choice(children).kill()

    def change(self) -> None:
        """Reload code that differs."""
        self._reload(f"# {time.monotonic_ns()}\n")

    def spoil(self) -> None:
        """Reload code that does not load; mend it at the next change."""
        self._reload("def broken(:\n")
        # Until then no worker that dies can be replaced, so that is soon.
        self._due[self.change] = time.monotonic() + 0.5

    def grow(self) -> None:
        """Ask for one worker more."""
        self._supervisor.send_signal(signal.SIGTTIN)

    def shrink(self) -> None:
        """Ask for one worker less."""
        self._supervisor.send_signal(signal.SIGTTOU)

    def end(self) -> None:
        """Leave code that loads, and as many workers as there were."""
        for _ in range(self.done["grow"] - self.done["shrink"]):
            self.shrink()
        self.change()

    def _reload(self, more: str) -> None:
        write_handlers(self._handlers, more)
        self._supervisor.send_signal(signal.SIGHUP)


def write_handlers(path: Path, more: str = "") -> None:
    """Put the handlers in place, whole or not at all."""
    fresh = path.with_suffix(".new")
    fresh.write_text(SOURCE.read_text() + more)
    fresh.replace(path)
