"""Every state of each scenario keeps the promises; with a rule left out, one of them is broken.

`JOBWORKER_TEST_MODEL=1 python -m pytest tests/model/protocol` visits the large scenarios too; that takes minutes.
"""

import os
from typing import Final

import pytest

from tests.model.protocol.explorer import explore
from tests.model.protocol.model import ProtocolModel
from tests.model.protocol.rules import Promise, Rule
from tests.model.protocol.scenario import A_ELSEWHERE, A, B, Scenario

#: Each with the number of its states: another number tells that the model has changed.
SCENARIOS: Final = {
    "late calls": (Scenario((A,), {"late": 1, "repeat": 1}, jobs=2), 517),
    "late calls and a failure": (Scenario((A,), {"late": 1, "raise": 1}, jobs=2), 385),
    "a repeat and a failure": (Scenario((A,), {"repeat": 1, "raise": 1}, jobs=2), 206),
    "a late register": (Scenario((A,), {"late": 1}, serving=0), 935),
    "a namesake elsewhere": (Scenario((A, A_ELSEWHERE), {"cut": 1}, is_exclusive=True), 7_874),
    "killed and started again": (Scenario((A, A), {"crash": 1, "late": 1}, is_exclusive=True), 6_882),
    "killed beside another": (Scenario((A, B), {"crash": 1, "late": 1}, serving=2), 6_803),
    "cut off": (Scenario((A, B), {"cut": 1}, serving=2, is_exclusive=True), 22_403),
    "stopped": (Scenario((A, B), {"stop": 1}, serving=2, is_exclusive=True), 20_633),
    "redis is away": (Scenario((A, B), {"outage": 1}, serving=2, is_harmless=True), 27_965),
    "redis is away, one was slow": (
        Scenario((A, B), {"outage": 1, "slow": 1}, serving=2, is_harmless=True, hangs=True),
        59_451,
    ),
    "a drain": (Scenario((A, B), {"drain": 1, "late": 1}, serving=2, is_harmless=True), 10_751),
    "a cancel and a failure": (Scenario((A,), {"cancel": 1, "raise": 1}), 66),
    "a cancel of what hangs": (Scenario((A,), {"cancel": 1, "late": 1}, hangs=True), 114),
    "a worker dies": (Scenario((A,), {"worker": 1}, jobs=2), 74),
    "lost writes": (Scenario((A, B), {"unwritten": 1}, serving=2), 4_315),
    "lost writes, killed and started again": (Scenario((A, A), {"unwritten": 1, "crash": 1}), 11_783),
    "lost writes at the start": (Scenario((A, A_ELSEWHERE), {"unwritten": 1}, serving=0, jobs=0), 12_693),
    "claimed ahead": (Scenario((A, B), {"crash": 1}, jobs=2, beyond=1, serving=2), 5_626),
    "reaped in steps": (Scenario((A, A), {"crash": 1}, jobs=2, workers=2, reaped_per_beat=1, is_exclusive=True), 5_901),
}
LARGE: Final = {
    "two workers": Scenario((A,), {"late": 1, "repeat": 1, "worker": 1, "raise": 1}, jobs=2, workers=2),
    "late registers": Scenario((A, A_ELSEWHERE), {"late": 2}, serving=0),
    "killed and stopped, a namesake elsewhere": Scenario((A, A_ELSEWHERE), {"crash": 1, "stop": 1}, is_exclusive=True),
    "cut off, late calls": Scenario((A, B), {"cut": 1, "late": 1}, serving=2, is_exclusive=True),
    "cut off, two jobs": Scenario((A, B), {"cut": 1}, serving=2, is_exclusive=True, jobs=2),
    "redis is away, late calls": Scenario((A, B), {"outage": 1, "late": 1}, serving=2, is_harmless=True),
    "lost writes, late calls": Scenario((A, A), {"unwritten": 1, "crash": 1, "late": 1}),
    "cancelled and killed": Scenario((A, B), {"cancel": 1, "crash": 1, "raise": 1}, serving=2),
}
#: Rule, scenario, what is broken there without it.
NEEDED: Final = [
    (Rule.EPOCHS_COMPARED, "cut off", Promise.STUCK),
    (Rule.EPOCHS_COMPARED, "killed and started again", Promise.REPEATED),
    (Rule.EPOCHS_COMPARED, "a namesake elsewhere", Promise.OVERLAP),
    (Rule.REGISTRATIONS_COUNTED, "a late register", Promise.SUPERSEDED),
    (Rule.PROOF, "a namesake elsewhere", Promise.OVERLAP),
    (Rule.REFUSAL, "a namesake elsewhere", Promise.STUCK),
    (Rule.LOCK_INHERITED, "killed and started again", Promise.OVERLAP),
    (Rule.YOUNGER_SUPERSEDES, "lost writes, killed and started again", Promise.SUPERSEDED),
    (Rule.INDEX_PER_EPOCH, "reaped in steps", Promise.REPEATED),
    (Rule.VOIDING, "stopped", Promise.REPEATED),
    (Rule.SILENCE, "redis is away, one was slow", Promise.CHARGED),
    (Rule.OLD_CALLS, "late calls", Promise.REPEATED),
    (Rule.RECONCILE, "late calls", Promise.STUCK),
    (Rule.RECONCILE, "lost writes", Promise.STUCK),
    (Rule.TOKENS_FROM_CLOCK, "lost writes", Promise.HELD_TWICE),
    (Rule.EPOCHS_FROM_CLOCK, "lost writes at the start", Promise.SAME_EPOCH),
    (Rule.FENCE, "cut off", Promise.OVERLAP),
    (Rule.NOT_STARTED, "stopped", Promise.OVERLAP),
    (Rule.FENCED_FREE, "cut off", Promise.CHARGED),
    (Rule.CANCEL_KEPT, "a cancel and a failure", Promise.CANCEL),
    (Rule.CANCEL_REPEATED, "a cancel of what hangs", Promise.STUCK),
    (Rule.READ_TO_THE_END, "a worker dies", Promise.REPEATED),
    (Rule.LEAVE_WAITS, "a drain", Promise.CHARGED),
    (Rule.LEAVE_PUTS_BACK, "a drain", Promise.STUCK),
    (Rule.LEAVE_VOIDS, "a drain", Promise.STUCK),
    (Rule.AHEAD, "claimed ahead", Promise.CHARGED),
]
#: Two rules of which each does alone, scenario, what is broken without both.
STAND_INS: Final = [
    (Rule.FULL_TERM, Rule.SILENCE, "redis is away", Promise.CHARGED),
    (Rule.REPEATS, Rule.INDEX_SIZE, "a repeat and a failure", Promise.STUCK),
    (Rule.RECONCILE_NUMBERED, Rule.INDEX_SIZE, "late calls and a failure", Promise.STUCK),
    (Rule.TOKENS_COMPARED, Rule.OLD_CALLS, "late calls and a failure", Promise.CHARGED),
    (Rule.FENCED_SETTLED, Rule.INDEX_SIZE, "cut off", Promise.STUCK),
]


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_state_keeps_the_promises(name: str) -> None:
    scenario, states = SCENARIOS[name]
    found = explore(ProtocolModel(scenario))
    assert not found.broken, found.story
    assert found.states == states


@pytest.mark.skipif("JOBWORKER_TEST_MODEL" not in os.environ, reason="takes minutes; set JOBWORKER_TEST_MODEL=1")
@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", LARGE)
def test_every_state_of_a_large_scenario_keeps_the_promises(name: str) -> None:
    found = explore(ProtocolModel(LARGE[name]))
    assert not found.broken, found.story


@pytest.mark.parametrize(("rule", "name", "promise"), NEEDED)
def test_a_rule_that_is_left_out_breaks_a_promise(rule: Rule, name: str, promise: Promise) -> None:
    scenario, _ = SCENARIOS[name]
    found = explore(ProtocolModel(scenario, {rule}))
    assert found.broken is promise, found.story


@pytest.mark.parametrize(("one", "other", "name", "promise"), STAND_INS)
def test_where_two_rules_do_the_same_either_is_enough(one: Rule, other: Rule, name: str, promise: Promise) -> None:
    scenario, _ = SCENARIOS[name]
    assert explore(ProtocolModel(scenario, {one, other})).broken is promise
    for rule in (one, other):
        found = explore(ProtocolModel(scenario, {rule}))
        assert not found.broken, found.story


def test_every_rule_has_its_proof() -> None:
    proven = {rule for rule, _, _ in NEEDED} | {rule for one, other, _, _ in STAND_INS for rule in (one, other)}
    assert proven == set(Rule)


def test_the_story_of_a_violation_is_the_shortest() -> None:
    scenario, _ = SCENARIOS["a late register"]
    found = explore(ProtocolModel(scenario, {Rule.REGISTRATIONS_COUNTED}))
    assert [line[5:] for line in found.story.splitlines()] == [
        "A0 starts on host 0",
        "A0 sends register 1",
        "A0 gives its register up, which is late",
        "A0 sends register 2",
        "redis runs register #2 of A0: ('ok', 1)",
        "A0 reads the answer to its register",
        "redis runs register #1 of A0: ('ok', 2), and nobody waits for it",
        "a supervisor is superseded by itself or its past: A0 by epoch 2",
    ]
