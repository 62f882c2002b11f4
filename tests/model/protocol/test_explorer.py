"""The explorer, with a model whose every state is known."""

from collections.abc import Iterator, Mapping

import pytest

from tests.model.protocol.explorer import explore
from tests.model.protocol.rules import Promise, Violation


class Walk:
    """Steps between numbers; those that are trouble are negative. Who comes to 9 breaks a promise."""

    def __init__(self, ways: Mapping[int, tuple[int, ...]], ends: tuple[int, ...]) -> None:
        self.initial = 0
        self._ways = ways
        self._ends = ends

    def steps(self, state: int) -> Iterator[tuple[str, int, bool]]:
        for way in self._ways.get(state, ()):
            yield f"to {abs(way)}", abs(way), way < 0

    def check(self, state: int) -> None:
        if state == 9:
            raise Violation(Promise.OVERLAP, "at 9")

    def is_end(self, state: int) -> bool:
        return state in self._ends


def test_it_visits_every_state_once() -> None:
    assert explore(Walk({0: (1, 2), 1: (3,), 2: (3,), 3: (0,)}, ends=(3,))) == (4, None, "")


def test_it_tells_the_shortest_way_to_a_violation() -> None:
    found = explore(Walk({0: (1, 2), 1: (3,), 3: (9,), 2: (9,)}, ends=(9,)))
    assert found.broken is Promise.OVERLAP
    assert found.story == "  1. to 2\n  2. to 9\n  3. an exclusive job runs twice at once: at 9"


@pytest.mark.parametrize("ways", [{0: (1, 2)}, {0: (1, 2), 2: (-1,)}, {0: (1, 2), 2: (3,), 3: (2,)}])
def test_what_only_trouble_leads_out_of_is_stuck(ways: Mapping[int, tuple[int, ...]]) -> None:
    found = explore(Walk(ways, ends=(1,)))
    assert found.broken is Promise.STUCK
    assert found.story.startswith("  1. to 2\n")


def test_too_many_states_are_no_success() -> None:
    with pytest.raises(AssertionError, match="more than 2 states"):
        explore(Walk({0: (1, 2), 1: (3,)}, ends=(3,)), most=2)
