from collections import Counter

import pytest

from jobworker.cli.chaos.nemeses import KILLS, NEMESES
from jobworker.cli.chaos.schedule import API, KINDS, SERVER, draw

NAMES = ("supervisor-1", "supervisor-2")


def test_the_same_seed_draws_the_same_faults_and_another_one_others() -> None:
    assert draw(7, 60, 1.0, NAMES) == draw(7, 60, 1.0, NAMES)
    assert draw(7, 60, 1.0, NAMES) != draw(8, 60, 1.0, NAMES)


def test_a_longer_run_begins_like_a_shorter_one() -> None:
    short = draw(7, 60, 1.0, NAMES)
    assert draw(7, 600, 1.0, NAMES)[: len(short)] == short


@pytest.mark.parametrize("seed", range(20))
def test_a_minute_brings_every_kind_and_ten_bring_more_than_300(seed: int) -> None:
    assert {fault.kind for fault in draw(seed, 60, 1.0, NAMES)} == {kind.name for kind in KINDS}
    assert len(draw(seed, 600, 1.0, NAMES)) > 300


def test_faults_come_in_their_order_within_the_time_and_last_as_long_as_their_kind_allows() -> None:
    faults = draw(3, 600, 1.0, NAMES)
    times = [fault.at_seconds for fault in faults]
    assert times == sorted(times)
    assert 0 < times[0] < times[-1] < 600
    allowed = {kind.name: kind.seconds for kind in KINDS}
    for fault in faults:
        shortest, longest = allowed[fault.kind]
        assert shortest <= fault.lasts_seconds <= longest
        assert 0 <= fault.pick <= 1


def test_around_the_death_of_a_host_nothing_else_happens() -> None:
    faults = draw(5, 600, 1.0, NAMES)
    calm_seconds = {kind.name: kind.calm_seconds for kind in KINDS}
    for before, fault, after in zip(faults, faults[1:], faults[2:], strict=False):
        if fault.kind == "kill_host":
            assert fault.at_seconds - before.at_seconds > calm_seconds["kill_host"]
            assert after.at_seconds > fault.at_seconds + fault.lasts_seconds


def test_every_process_is_hit_and_only_by_what_can_hit_it() -> None:
    hit = Counter((fault.kind, fault.target) for fault in draw(1, 3000, 1.0, NAMES))
    targets = {"supervisor": {*NAMES}, "api": {API}, "server": {SERVER}, "process": {API, *NAMES}}
    for kind in KINDS:
        assert {target for name, target in hit if name == kind.name} == targets[kind.hits]


def test_every_kind_has_its_nemesis() -> None:
    assert set(NEMESES) == {kind.name for kind in KINDS}
    assert set(NEMESES) > KILLS
