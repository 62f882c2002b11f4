"""Visits every state that a model can come to, the nearest first: so the first violation has the shortest story."""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Generic, NamedTuple, Protocol, TypeVar

from tests.model.protocol.rules import Promise, Violation

S = TypeVar("S")


class Model(Protocol[S]):
    """What can be explored; states are immutable and hashable."""

    initial: S

    def steps(self, state: S) -> Iterable[tuple[str, S, bool]]:
        """Yield what can happen next: how it is told, the state then, whether it is trouble. May raise Violation."""
        ...

    def check(self, state: S) -> None:
        """Raise Violation if a promise is broken in it."""
        ...

    def is_end(self, state: S) -> bool:
        """Return whether all is done that was to be done, or nobody is left to do it."""
        ...


class Exploration(NamedTuple):
    """What was found: how many states, and which promise is broken, after what; None: all are kept."""

    states: int
    broken: Promise | None = None
    story: str = ""


def explore(model: Model[S], *, most: int = 10_000_000) -> Exploration:
    """Visit all states; AssertionError if there are more than `most`."""
    return _Search(model, most).run()


class _Search(Generic[S]):
    def __init__(self, model: Model[S], most: int) -> None:
        self._model = model
        self._most = most
        self._numbers = {model.initial: 0}
        self._states = [model.initial]
        self._parents = [0]
        #: From which states each is reached without trouble.
        self._origins: list[list[int]] = [[]]

    def run(self) -> Exploration:
        # It grows meanwhile.
        for number, state in enumerate(self._states):
            try:
                self._model.check(state)
                for _, successor, is_trouble in self._model.steps(state):
                    self._reach(number, successor, is_trouble=is_trouble)
            except Violation as violation:
                return self._found(number, violation)
        stuck = self._first_stuck()
        if stuck is None:
            return Exploration(len(self._states))
        return self._found(stuck, Violation(Promise.STUCK, "whatever happens next"))

    def _reach(self, origin: int, state: S, *, is_trouble: bool) -> None:
        number = self._numbers.setdefault(state, len(self._states))
        if number == len(self._states):
            assert number < self._most, f"more than {self._most} states"
            self._states.append(state)
            self._parents.append(origin)
            self._origins.append([])
        if not is_trouble:
            self._origins[number].append(origin)

    def _first_stuck(self) -> int | None:
        """Go back from every end; the first state from which no end is reached without trouble."""
        is_well = bytearray(self._model.is_end(state) for state in self._states)
        reached = [number for number, well in enumerate(is_well) if well]
        while reached:
            for origin in self._origins[reached.pop()]:
                if not is_well[origin]:
                    is_well[origin] = True
                    reached.append(origin)
        number = is_well.find(0)
        return None if number < 0 else number

    def _found(self, number: int, violation: Violation) -> Exploration:
        lines = [*self._story_of(number), str(violation)]
        story = "\n".join(f"{count:3}. {line}" for count, line in enumerate(lines, 1))
        return Exploration(len(self._states), violation.promise, story)

    def _story_of(self, number: int) -> Iterator[str]:
        """Tell how a state is reached: its steps are taken once more, as no state keeps what was told."""
        path = [number]
        while path[-1]:
            path.append(self._parents[path[-1]])
        path.reverse()
        for before, after in pairwise(path):
            steps = self._model.steps(self._states[before])
            yield next(told for told, state, _ in steps if state == self._states[after])
