"""What the checks of jobs and supervisors say."""

from typing import Any

import pytest

from jobworker.cli.checks.population import (
    CHECKS,
    REAPED_AFTER_MS,
    dead,
    handlers,
    held_types,
    lags,
    pauses,
    queues,
    records,
    supervisors,
)
from jobworker.store.finding import Finding
from jobworker.store.fleet import QueueShare, Supervisor
from jobworker.store.inspection import Population
from jobworker.store.pause import Pause
from jobworker.store.roster import HeldType, Roster
from jobworker.store.states import JobState


def member(name: str = "alpha", **fields: Any) -> Supervisor:
    plain: dict[str, Any] = {
        "epoch": 7,
        "now_ms": 1_800_000_000_000,
        "lease_left_ms": 12_000,
        "running": 1,
        "host": "web-1",
        "pid": 4711,
        "queues": (),
        "types": {"echo": "aa"},
    }
    return Supervisor(name=name, **{**plain, **fields})


def population(*members: Supervisor, paused: tuple[Pause, ...] = (), **pending: int) -> Population:
    return Population(dict.fromkeys(JobState, 0), pending or {"default": 0}, list(paused), list(members))


def only(findings: Any) -> Finding:
    [finding] = findings
    assert isinstance(finding, Finding)
    return finding


def test_a_sound_population_is_ok_at_every_point() -> None:
    findings = [finding for check in CHECKS for finding in check(population(member()))]
    assert {finding.level for finding in findings} == {"ok"}
    assert [finding.check for finding in findings] == ["jobs", "supervisors", "pauses", "queues", "handlers"]


def test_living_supervisors_are_named() -> None:
    found = only(supervisors(population(member("alpha"), member("beta", host="web-2"), member("old", lease_left_ms=0))))
    assert found.fact == "alpha (pid 4711 on web-1), beta (pid 4711 on web-2)"


def test_no_supervisor_is_a_warning() -> None:
    assert only(supervisors(population())).level == "warning"


def test_a_living_supervisor_without_its_record_is_a_problem() -> None:
    found = only(records(population(member(host=None, pid=None))))
    assert (found.level, found.fact) == ("problem", "the record of supervisor alpha:7 is gone")


@pytest.mark.parametrize(
    ("lease_left_ms", "heirs", "level"),
    [
        (0, 1, "warning"),
        (-1000, 1, "warning"),
        (-1000, 0, "warning"),
        (-REAPED_AFTER_MS, 0, "warning"),
        (-REAPED_AFTER_MS, 1, "problem"),
    ],
)
def test_jobs_of_the_dead_should_be_taken_over_soon(lease_left_ms: int, heirs: int, level: str) -> None:
    gone = member("gone", lease_left_ms=lease_left_ms, running=3)
    found = only(dead(population(gone, *[member("heir")] * heirs)))
    assert found.level == level
    assert found.fact == "supervisor gone:7 is dead, and nobody has taken over yet what it ran: 3 jobs"


def test_the_dead_who_ran_nothing_are_no_news() -> None:
    assert list(dead(population(member(lease_left_ms=-90_000, running=0)))) == []


def test_a_loop_that_was_blocked_for_too_long_is_a_warning() -> None:
    slow, quick, silent = (member(roster=Roster(loop_lag_ms=lag_ms)) for lag_ms in (70.4, 50.0, None))
    found = only(lags(population(slow, quick, silent)))
    assert (found.level, found.fact) == (
        "warning",
        "the loop of supervisor alpha was blocked for 70 ms in the last minute",
    )


def test_each_pause_is_told_with_what_lifts_it() -> None:
    everything = Pause("*", "ann", 1_800_000_000_000, "a deploy")
    found = list(pauses(population(paused=(everything, Pause("images", "bob", 1_800_000_000_000)))))
    assert [finding.level for finding in found] == ["warning", "warning"]
    assert found[0].fact == "everything is paused by ann since 2027-01-15T08:00:00+00:00: a deploy"
    assert found[0].advice == "`jobworker resume` lifts it"
    assert found[1].advice == "`jobworker resume --queue images` lifts it"


def test_a_queue_that_nobody_serves_is_a_warning_while_jobs_wait_in_it() -> None:
    picky = member(queues=(QueueShare("images"),))
    found = list(queues(population(picky, images=9, mail=2, old=0)))
    assert [(finding.level, finding.fact) for finding in found] == [
        ("warning", "no supervisor serves queue mail, pending there: 2 jobs"),
        ("ok", "no supervisor serves queue old, pending there: 0 jobs"),
    ]


def test_without_any_supervisor_the_queues_are_no_news() -> None:
    assert list(queues(population(mail=2))) == []


def test_supervisors_that_disagree_about_a_type_are_named() -> None:
    alpha = member("alpha", types={"echo": "aa", "resize": "bb"})
    beta = member("beta", types={"echo": "aa", "resize": "cc"})
    gone = member("gone", types={"echo": "dd"}, lease_left_ms=-1)
    found = only(handlers(population(alpha, beta, gone)))
    assert found.level == "warning"
    assert found.fact.startswith("alpha, beta declare type resize with different payloads or defaults")


def test_one_that_lacks_a_type_disagrees_with_nobody() -> None:
    found = only(handlers(population(member("alpha", types={"a": "1", "b": "2"}), member("beta", types={"a": "1"}))))
    assert (found.level, found.fact) == ("ok", "2 types, and no two supervisors disagree")


def test_a_type_that_a_living_supervisor_holds_is_a_warning() -> None:
    roster = Roster(held_types=(HeldType("mail", "it crashes", 1_800_000_000_000, 1_800_000_010_000),))
    found = only(held_types(population(member(roster=roster), member("gone", roster=roster, lease_left_ms=-1))))
    assert found.level == "warning"
    since, until = "2027-01-15T08:00:00+00:00", "2027-01-15T08:00:10+00:00"
    assert found.fact == f"supervisor alpha holds type mail since {since}: it crashes; next try {until}"
