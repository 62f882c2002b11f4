"""How much of one thing is done in a turn of the loop: when it happens very often at once, others must be heard."""

from collections.abc import Callable

from jobworker.supervisor.loop import SupervisorLoop


class Ration:
    """Owns what is left for this turn.

    Told:   take some; what to do in the next turn, when there is a whole ration again.
    """

    def __init__(self, loop: SupervisorLoop, size: int) -> None:
        self._loop = loop
        self._size = size
        self._left = size
        self._waiting: list[Callable[[], object]] = []

    def take(self) -> bool:
        """Take one; False when none is left for this turn."""
        if self._left == self._size:
            self._loop.call_soon(self._renew)
        if not self._left:
            return False
        self._left -= 1
        return True

    def next_turn(self, action: Callable[[], object]) -> None:
        """Do something when there is a new ration, once, however often it is asked for."""
        if action not in self._waiting:
            self._waiting.append(action)

    def _renew(self) -> None:
        self._left = self._size
        waiting, self._waiting = self._waiting, []
        for action in waiting:
            action()
