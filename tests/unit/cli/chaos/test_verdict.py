from typing import Any

import pytest
from msgspec.structs import replace

from jobworker.cli.chaos.handlers import output_of
from jobworker.cli.chaos.ledger import Run
from jobworker.cli.chaos.nemeses import Struck
from jobworker.cli.chaos.producer import Post
from jobworker.cli.chaos.verdict import UNPROVOKED, Evidence, Past, Standing, Verdict, judge

#: A job as it should be: accepted, run once, succeeded.
GOOD = Run(number=1, job_id="a", attempt=1, token=100, worker_pid=11, supervisor_pid=1, began_ms=0.0, ended_ms=50.0)
POST = Post(1, "accepted", "a")
SUCCESSOR = "the supervisor one was lost: it has ended, and a successor has taken its name"
SILENCE = "the supervisor one was lost: on host h it has been silent for {} s, and its lease has ended"
FREEZE = Struck("freeze_supervisor", "supervisor-1", 40.0, 4000.0, [])
DONE = Standing("succeeded", log_bytes=len(output_of(1)))


def run(**other: Any) -> Run:
    fields = {name: getattr(GOOD, name) for name in GOOD.__struct_fields__}
    return Run(**{**fields, **other})


def verdict_on(
    *runs: Run,
    posts: tuple[Post, ...] = (POST,),
    jobs: dict[str, Standing] | None = None,
    struck: tuple[Struck, ...] = (),
) -> Verdict:
    return judge(Evidence(posts, runs, {"a": DONE} if jobs is None else jobs, struck))


def twice(
    outcome: str,
    *,
    seconds: float = 0.05,
    why: str = SUCCESSOR,
    first: Run | None = None,
    struck: tuple[Struck, ...] = (),
) -> Verdict:
    """Judge a job whose first attempt came to an outcome, and whose second one succeeded."""
    runs = (first or run(ended_ms=None), run(attempt=2, token=200, worker_pid=22, began_ms=100.0, ended_ms=150.0))
    jobs = {"a": Standing("succeeded", 200, (Past(1, outcome, seconds, "supervisor-1", why),))}
    return verdict_on(*runs, jobs=jobs, struck=struck)


def kill_of(victim: Run, *, at_ms: float = 40.0) -> Struck:
    return Struck("kill_worker", "supervisor-1", at_ms, at_ms, [victim])


def test_a_job_that_ran_once_and_succeeded_is_as_promised() -> None:
    verdict = verdict_on(run())
    assert verdict.is_clean
    assert (verdict.accepted, verdict.succeeded, verdict.maybe, verdict.recovered) == (1, 1, 0, 0)


def test_an_accepted_job_without_a_record_is_lost() -> None:
    for runs in [(), (run(),)]:
        verdict = verdict_on(*runs, jobs={})
        assert verdict.lost == ["job a was accepted, and there is no record of it"]
        assert not verdict.is_clean


@pytest.mark.parametrize("runs", [(), (run(ended_ms=None),)], ids=["never ran", "never ended"])
def test_a_success_that_nobody_has_worked_for_is_a_loss(runs: tuple[Run, ...]) -> None:
    verdict = verdict_on(*runs)
    assert verdict.lost == ["job a has succeeded, but no attempt that counts has done its work"]


def test_a_success_counts_by_the_token_of_its_result() -> None:
    runs = (run(), run(attempt=2, token=200, ended_ms=None))
    verdict = verdict_on(*runs, jobs={"a": Standing("succeeded", 200, (Past(1, "lost"),))})
    assert len(verdict.lost) == 1
    verdict = verdict_on(*runs, jobs={"a": Standing("succeeded", 300, (Past(1, "lost"),))})
    assert len(verdict.lost) == 1


@pytest.mark.parametrize("status", ["pending", "scheduled", "running"])
def test_a_job_that_has_not_ended_is_unfinished(status: str) -> None:
    verdict = verdict_on(run(), jobs={"a": Standing(status)})
    assert verdict.unfinished == [f"job a is {status}"]
    assert not verdict.is_clean


@pytest.mark.parametrize("status", ["failed", "cancelled", "expired"])
def test_no_job_may_end_otherwise_than_well(status: str) -> None:
    verdict = verdict_on(run(), jobs={"a": Standing(status)})
    assert verdict.failed == [f"job a {status}"]
    assert not verdict.is_clean


def test_a_run_of_a_request_that_was_never_made_is_unexpected() -> None:
    verdict = verdict_on(run(), run(number=9, job_id="b"), jobs={"a": DONE, "b": DONE})
    assert len(verdict.unexpected) == 2  # the run, and a job too many


def test_a_run_of_a_job_without_a_record_is_unexpected() -> None:
    posts = (POST, Post(2, "maybe"))
    verdict = verdict_on(run(), run(number=2, job_id="b"), posts=posts)
    assert verdict.unexpected == ["job b ran, and there is no record of it"]


def test_two_jobs_of_one_request_are_unexpected() -> None:
    posts = (POST, Post(2, "maybe"))
    verdict = verdict_on(run(), run(job_id="b"), posts=posts, jobs={"a": DONE, "b": DONE})
    assert verdict.unexpected == ["request 1 made 2 jobs: a, b"]


def test_a_request_without_an_answer_may_have_made_a_job_or_not() -> None:
    posts = (POST, Post(2, "maybe"), Post(3, "maybe"))
    verdict = verdict_on(run(), run(number=2, job_id="b"), posts=posts, jobs={"a": DONE, "b": DONE})
    assert verdict.is_clean
    assert (verdict.maybe, verdict.recovered) == (2, 1)


def test_more_jobs_than_requests_are_unexpected() -> None:
    verdict = verdict_on(run(), jobs={"a": DONE, "b": Standing("running")})
    assert verdict.unexpected == ["1 jobs are there without a 202, and only 0 requests went without an answer"]


def test_a_refused_request_is_unexpected() -> None:
    assert verdict_on(run(), posts=(POST, Post(2, "refused"))).unexpected == ["request 2 was refused"]


def test_an_attempt_whose_supervisor_was_lost_may_be_followed_by_another_even_while_it_goes_on() -> None:
    for first in (run(ended_ms=None), run(ended_ms=50.0), run(ended_ms=120.0)):
        verdict = twice("lost", first=first, struck=(FREEZE,))
        assert verdict.is_clean
        assert verdict.again == {"lost": 1}


@pytest.mark.parametrize(
    "fault",
    [
        replace(FREEZE, target="supervisor-2"),
        replace(FREEZE, kind="freeze_worker"),
        replace(FREEZE, at_ms=150.0),
        replace(FREEZE, at_ms=-50.0, until_ms=-1.0),
    ],
)
def test_a_lease_that_was_lost_without_a_fault_is_counted_apart(fault: Struck) -> None:
    verdict = twice("lost", struck=(fault,))
    assert verdict.is_clean
    assert verdict.again == {UNPROVOKED: 1}
    assert twice("lost", struck=(replace(FREEZE, target="server", kind="kill_server"),)).again == {"lost": 1}


def test_a_crash_has_its_reason_in_a_worker_that_was_killed() -> None:
    victim = run(ended_ms=None)
    assert twice("crashed", struck=(kill_of(victim),)).again == {"crashed": 1}
    assert not twice("crashed").is_clean
    assert not twice("crashed", struck=(kill_of(run(worker_pid=99)),)).is_clean


def test_a_worker_that_was_hit_a_job_later_than_meant_has_its_reason_too() -> None:
    victim = run(job_id="before", token=50)
    assert twice("crashed", struck=(kill_of(victim, at_ms=60.0),)).again == {"crashed": 1}


def test_an_attempt_that_was_told_to_fail_may_fail_once() -> None:
    posts = (Post(1, "accepted", "a", fails=True),)
    runs = (run(ended_ms=None), run(attempt=2, token=200, began_ms=100.0, ended_ms=150.0))
    past = {"a": Standing("succeeded", 200, (Past(1, "raised"),))}
    assert verdict_on(*runs, posts=posts, jobs=past).again == {"raised": 1}
    assert not twice("raised").is_clean


def test_no_attempt_may_be_killed_before_its_deadline() -> None:
    assert twice("timed_out", seconds=5.01).again == {"timed_out": 1}
    assert not twice("timed_out", seconds=4.9).is_clean


@pytest.mark.parametrize("outcome", ["out_of_memory", "shutdown", "unhandled", "recalled"])
def test_nothing_else_is_a_reason(outcome: str) -> None:
    [sentence] = twice(outcome).unexpected
    assert f"{outcome} after 0.05 s without a reason" in sentence


def test_a_second_run_without_a_recorded_reason_is_unexpected() -> None:
    runs = (run(), run(token=200, began_ms=100.0, ended_ms=150.0))
    for past in ((), (Past(2, "lost"),)):
        verdict = verdict_on(*runs, jobs={"a": Standing("succeeded", 200, past)})
        assert len(verdict.unexpected) == 1
        assert "no reason is recorded" in verdict.unexpected[0]


def test_a_run_after_the_one_that_counts_is_unexpected() -> None:
    runs = (run(), run(attempt=2, token=200))
    verdict = verdict_on(*runs, jobs={"a": Standing("succeeded", 100, (Past(2, "lost"),))})
    assert len(verdict.unexpected) == 1
    assert "ran after the one that counts" in verdict.unexpected[0]


def test_a_lost_attempt_that_was_killed_must_not_overlap_with_the_next() -> None:
    late = run(ended_ms=120.0)
    assert "still ran when the next one began" in twice("lost", first=late, struck=(kill_of(late),)).unexpected[0]
    in_time = run(ended_ms=60.0)
    assert twice("lost", first=in_time, struck=(kill_of(in_time),)).is_clean


def test_two_attempts_on_one_host_must_not_overlap() -> None:
    verdict = twice("timed_out", seconds=6.0, first=run(ended_ms=120.0))
    assert "still ran when the next one began" in verdict.unexpected[0]


def test_whoever_works_on_after_its_worker_was_killed_is_unexpected() -> None:
    for outcome in ("crashed", "lost"):
        late = run(ended_ms=3000.0)
        verdict = twice(outcome, first=late, struck=(kill_of(late),))
        assert any("after it was killed" in sentence for sentence in verdict.unexpected)


def test_another_job_that_was_claimed_with_it_may_work_on() -> None:
    posts = (POST, Post(2, "accepted", "b"))
    other = run(number=2, job_id="b", worker_pid=12, ended_ms=3000.0)
    verdict = verdict_on(run(), other, posts=posts, jobs={"a": DONE, "b": DONE}, struck=(kill_of(run()),))
    assert verdict.is_clean


def test_who_was_only_frozen_may_work_on() -> None:
    assert twice("lost", first=run(ended_ms=3000.0), struck=(FREEZE,)).is_clean


def test_what_is_put_back_by_a_supervisor_that_stops_has_its_reason_in_that() -> None:
    drain = Struck("drain_supervisor", "supervisor-1", 40.0, 8000.0, [], pid=1)
    runs = (run(ended_ms=None), run(token=200, supervisor_pid=2, began_ms=100.0, ended_ms=150.0))
    jobs = {"a": Standing("succeeded", 200)}
    assert verdict_on(*runs, jobs=jobs, struck=(drain,)).again == {"shutdown": 1}
    for other in (replace(drain, pid=3), replace(drain, kind="kill_supervisor")):
        assert not verdict_on(*runs, jobs=jobs, struck=(other,)).is_clean
    ended_before = run(ended_ms=30.0)
    assert not verdict_on(ended_before, runs[1], jobs=jobs, struck=(drain,)).is_clean


@pytest.mark.parametrize("log_bytes", [0, len(output_of(1)) - 1, 2 * len(output_of(1))])
def test_what_a_job_has_printed_is_kept_once_and_whole(log_bytes: int) -> None:
    [sentence] = verdict_on(run(), jobs={"a": Standing("succeeded", log_bytes=log_bytes)}).unexpected
    assert sentence.endswith(f"has {log_bytes} bytes of output")


@pytest.mark.parametrize(
    ("why", "is_clean"),
    [
        (SUCCESSOR, True),
        (SILENCE.format("3.4"), True),
        (SILENCE.format("2.9"), True),
        (SILENCE.format("2.8"), False),
        ("because", False),
        ("", False),
    ],
)
def test_nobody_is_lost_before_its_end_or_that_of_its_lease(why: str, is_clean: bool) -> None:
    assert twice("lost", why=why).is_clean is is_clean


def test_a_standing_is_read_from_what_the_api_answers() -> None:
    error = {"message": SUCCESSOR}
    past = {"attempt": 1, "outcome": "lost", "duration": 1.5, "supervisor": "one", "error": error}
    job = {"status": "succeeded", "result": 7, "attempts": [past], "log_bytes": 9}
    assert Standing.of(job) == Standing("succeeded", 7, (Past(1, "lost", 1.5, "one", SUCCESSOR),), 9)
    assert not Past.of({**past, "error": None}).why
    assert Standing.of({"status": "running", "log_bytes": 0}) == Standing("running")
