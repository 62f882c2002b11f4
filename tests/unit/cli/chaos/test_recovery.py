import pytest

from jobworker.cli.chaos.ledger import Run
from jobworker.cli.chaos.nemeses import Struck
from jobworker.cli.chaos.recovery import Recovery, recoveries

ONE, OTHER = "supervisor-1", "supervisor-2"


def attempt(job_id: str, token: int, began_ms: float, ended_ms: float | None = None) -> Run:
    return Run(1, job_id, 1, token, 11, 1, began_ms, ended_ms, is_over=ended_ms is not None)


def only(struck: list[Struck], runs: list[Run]) -> Recovery:
    [recovery] = recoveries(struck, runs)
    return recovery


def killed(at_ms: float, again_ms: float, job_id: str = "a") -> tuple[Struck, list[Run]]:
    """Kill a worker at work, and have its job run again."""
    first = attempt(job_id, 1, at_ms - 10)
    return Struck("kill_worker", ONE, at_ms, at_ms, [first]), [first, attempt(job_id, 2, again_ms)]


def test_a_recovery_lasts_from_the_kill_to_the_begin_of_the_next_attempt() -> None:
    fault, runs = killed(1000.0, 1030.0)
    recovery = only([fault], [*runs, attempt("a", 3, 5000.0)])
    assert (recovery.count, recovery.median_ms, recovery.p99_ms, recovery.worst_ms) == (1, 30.0, 30.0, 30.0)
    assert recovery.disturbed == 0


def test_quantiles_are_times_that_were_measured() -> None:
    faults, runs = [], []
    for number in range(1, 101):
        fault, two = killed(1000.0 * number, 1000.0 * number + number, f"job-{number}")
        faults.append(fault)
        runs += two
    recovery = only(faults, runs)
    assert (recovery.count, recovery.median_ms, recovery.p99_ms, recovery.worst_ms) == (100, 50.0, 99.0, 100.0)


def test_who_ended_all_the_same_or_never_ran_again_is_left_out() -> None:
    ended = attempt("a", 1, 990.0, ended_ms=1000.5)
    failed = Run(1, "b", 1, 1, 11, 1, 990.0, is_over=True)
    fault = Struck("kill_worker", ONE, 1000.0, 1000.0, [ended, failed])
    assert not list(recoveries([fault], [ended, failed, attempt("a", 2, 1030.0), attempt("b", 2, 1030.0)]))
    fault, [first, _] = killed(1000.0, 1030.0)
    assert not list(recoveries([fault], [first]))


@pytest.mark.parametrize(
    ("other", "disturbs"),
    [
        (Struck("kill_server", "server", 900.0, 1100.0, []), True),
        (Struck("freeze_supervisor", ONE, 900.0, 1100.0, []), True),
        (Struck("lose_reply", ONE, 1010.0, 1100.0, []), True),
        (Struck("freeze_supervisor", OTHER, 900.0, 1100.0, []), False),
        (Struck("kill_api", "api", 900.0, 1100.0, []), False),
        (Struck("freeze_worker", ONE, 900.0, 1100.0, []), False),
        (Struck("kill_server", "server", 800.0, 999.0, []), False),
        (Struck("kill_server", "server", 1031.0, 2000.0, []), False),
    ],
    ids=lambda value: f"{value.kind} {value.target} {value.at_ms:g}" if isinstance(value, Struck) else "",
)
def test_what_other_faults_delay_is_counted_apart(other: Struck, disturbs: bool) -> None:
    fault, runs = killed(1000.0, 1030.0)
    recovery = only([other, fault], runs)
    assert (recovery.count, recovery.disturbed) == ((0, 1) if disturbs else (1, 0))
    assert recovery.worst_disturbed_ms == (30.0 if disturbs else 0.0)


def test_who_takes_over_must_have_been_well_for_a_lease() -> None:
    fault, runs = killed(10_000.0, 13_000.0)
    host = Struck("kill_host", ONE, 10_000.0, 15_000.0, fault.runs)
    frozen = Struck("freeze_supervisor", OTHER, 6000.0, 8000.0, [])
    long_ago = Struck("freeze_supervisor", OTHER, 3000.0, 6900.0, [])
    assert only([host, frozen], runs).disturbed == 1
    assert only([host, long_ago], runs).count == 1


def test_each_kind_of_death_has_a_line_of_its_own() -> None:
    fault, runs = killed(1000.0, 1030.0)
    host, more = killed(9000.0, 12_000.0, "b")
    lines = list(recoveries([fault, Struck("kill_host", ONE, 9000.0, 14_000.0, host.runs)], [*runs, *more]))
    assert [line.median_ms for line in lines] == [30.0, 3000.0]
