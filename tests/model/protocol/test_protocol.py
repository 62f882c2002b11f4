"""Every state of each scenario keeps the promises; with a rule left out, one of them does not.

`JOBWORKER_TEST_LARGE=1 python -m pytest tests/model/protocol` searches the large scenarios too; that takes minutes.
"""

import os
from typing import Final

import pytest

from tests.model.protocol.search import Scenario, search

RULES: Final = frozenset(
    (
        *("epoch", "calls are numbered", "reconcile", "lock", "full term", "reaping voids"),
        *("fence", "not started", "cancel is kept", "leave"),
    )
)
ALONE, PAIR, SUCCESSOR = (0,), (0, 1), (0, 0)
#: Name -> scenario, and between how many and how many states it has: another number tells that the model has changed.
SCENARIOS: Final = {
    "namesakes": (Scenario(SUCCESSOR, {}, is_harmless=True), (110, 150)),
    "lost replies": (Scenario(ALONE, {"reply lost": 2, "delay": 1}, jobs=2), (7_700, 9_500)),
    "restart": (Scenario(SUCCESSOR, {"crash": 1, "reply lost": 1}), (7_900, 9_700)),
    "crash": (Scenario(PAIR, {"crash": 1}), (14_000, 18_000)),
    "stopped": (Scenario(ALONE, {"freeze": 1}), (750, 930)),
    "cancel": (Scenario(ALONE, {"cancel": 1, "cut off": 1}), (1_800, 2_300)),
    "cancel, lost reply": (Scenario(ALONE, {"cancel": 1, "reply lost": 1}), (480, 590)),
    "drain": (Scenario(PAIR, {"drain": 1}, is_harmless=True), (15_000, 20_000)),
    "drain, successor": (Scenario(SUCCESSOR, {"drain": 1, "delay": 1}, is_harmless=True), (7_500, 9_300)),
    "outage": (Scenario(PAIR, {"outage": 1}, is_harmless=True), (52_000, 64_000)),
    "cut off": (Scenario(PAIR, {"cut off": 1}), (90_000, 111_000)),
}
LARGE: Final = {
    "stopped beside another": Scenario(PAIR, {"freeze": 1}),
    "cut off, lost reply": Scenario(PAIR, {"cut off": 1, "reply lost": 1}),
    "cut off and stopped": Scenario(SUCCESSOR, {"freeze": 1, "cut off": 1}),
    "drain, late call": Scenario(PAIR, {"drain": 1, "delay": 1, "reply lost": 1}, is_harmless=True),
    "cancel beside another": Scenario(PAIR, {"cancel": 1, "cut off": 1}),
}
TWICE, STUCK, CHARGED = "runs twice", "no way leads to the end", "counted as crashed"
#: Rule, scenario, what goes wrong without it, and after how many steps at the soonest.
NEEDED: Final = [
    ("epoch", "restart", STUCK, 10),
    ("calls are numbered", "lost replies", STUCK, 6),
    ("reconcile", "lost replies", STUCK, 4),
    ("lock", "namesakes", CHARGED, 6),
    ("full term", "outage", CHARGED, 12),
    ("reaping voids", "cut off", TWICE, 20),
    ("fence", "cut off", TWICE, 18),
    ("not started", "stopped", "after the deadline", 8),
    ("leave", "drain, successor", CHARGED, 9),
    ("cancel is kept", "cancel, lost reply", "its cancel was accepted", 8),
]


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_state_keeps_the_promises(name: str) -> None:
    scenario, (least, most) = SCENARIOS[name]
    found = search(scenario, RULES)
    assert not found.wrong, "\n".join([found.wrong, *found.story])
    assert least <= found.states <= most


@pytest.mark.skipif("JOBWORKER_TEST_LARGE" not in os.environ, reason="takes minutes; set JOBWORKER_TEST_LARGE")
@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", LARGE)
def test_every_state_of_a_large_scenario_keeps_the_promises(name: str) -> None:
    found = search(LARGE[name], RULES)
    assert not found.wrong, "\n".join([found.wrong, *found.story])


@pytest.mark.parametrize(("rule", "name", "wrong", "steps"), NEEDED)
def test_without_a_rule_a_promise_breaks(rule: str, name: str, wrong: str, steps: int) -> None:
    scenario, _ = SCENARIOS[name]
    found = search(scenario, RULES - {rule})
    assert wrong in found.wrong
    assert abs(len(found.story) - steps) <= 2
