"""Visits every state, the nearest first; what breaks a promise is told by the shortest way to it."""

from collections import defaultdict
from collections.abc import Iterable
from itertools import combinations
from typing import NamedTuple

from tests.model.protocol.moves import moves
from tests.model.protocol.scripts import ENDED, Rules
from tests.model.protocol.world import Job, Process, Record, Violation, World

#: More are not looked at.
MOST = 3_000_000


class Scenario(NamedTuple):
    #: The name of each supervisor process, 0 or 1.
    names: tuple[int, ...]
    faults: dict[str, int]
    jobs: int = 1
    #: Whether it would be wrong to count any job as crashed.
    is_harmless: bool = False

    def first(self) -> World:
        return World(
            jobs=(Job(),) * self.jobs,
            records=(Record(), Record()),
            processes=tuple(Process(name) for name in self.names),
            faults=tuple(sorted(self.faults.items())),
        )


class Found(NamedTuple):
    states: int
    #: What is wrong; empty: nothing is.
    wrong: str
    story: list[str]


def search(scenario: Scenario, rules: Rules) -> Found:
    """Return what is wrong first, and how it came to that."""
    first = scenario.first()
    numbers, order, came_from = {first: 0}, [first], [(-1, "")]
    backwards: defaultdict[int, list[int]] = defaultdict(list)
    for here, world in enumerate(order):
        try:
            for move in moves(world, rules):
                there = numbers.setdefault(move.world, len(order))
                if there == len(order):
                    order.append(move.world)
                    came_from.append((here, move.told))
                    check(move.world, scenario)
                if not move.is_fault:
                    backwards[there].append(here)
        except Violation as violation:
            place = len(order) - 1 if order[-1] is not world and came_from[-1][0] == here else here
            return Found(len(order), str(violation), _story(came_from, place))
        assert len(order) <= MOST
    stuck = _first_stuck(order, backwards)
    if stuck is not None:
        return Found(len(order), "without another fault no way leads to the end of all jobs", _story(came_from, stuck))
    return Found(len(order), "", [])


def check(world: World, scenario: Scenario) -> None:
    """Raise Violation if a promise is broken in this state."""
    for one, other in combinations([one for one in world.processes if one.life == "up"], 2):
        if both := one.held & other.held:
            raise Violation(f"two hold the attempt {both}")
        if not (one.late or other.late) and _runs(one) & _runs(other):
            raise Violation(f"job {_runs(one)} runs twice at once")
    if scenario.is_harmless and any(job.crashes for job in world.jobs):
        raise Violation("a job is counted as crashed, and nothing has crashed")


def _runs(process: Process) -> set[int]:
    return {process.worker[1]} if process.worker and process.worker[0] == "runs" else set()


def _first_stuck(order: list[World], backwards: defaultdict[int, list[int]]) -> int | None:
    """Return the first state from which nothing but a fault leads on; nobody can go on where nobody is left."""
    fine = {here for here, world in enumerate(order) if _is_over(world)}
    waiting = list(fine)
    while waiting:
        for before in backwards[waiting.pop()]:
            if before not in fine:
                fine.add(before)
                waiting.append(before)
    return next((here for here in range(len(order)) if here not in fine), None)


def _is_over(world: World) -> bool:
    return all(job.status in ENDED for job in world.jobs) or all(_can_do_nothing(one) for one in world.processes)


def _can_do_nothing(process: Process) -> bool:
    return process.life == "gone" or process.draining


def _story(came_from: Iterable[tuple[int, str]], place: int) -> list[str]:
    steps, known = [], list(came_from)
    while place > 0:
        place, told = known[place]
        steps.append(told)
    return steps[::-1]
