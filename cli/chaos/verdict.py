"""The verdict of a run: what was accepted against what was done, job by job."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Self

from msgspec import Struct, field

from jobworker.cli.chaos.handlers import TIMEOUT_SECONDS, output_of
from jobworker.cli.chaos.ledger import Run
from jobworker.cli.chaos.nemeses import DRAIN, HARMLESS, KILLS, Struck
from jobworker.cli.chaos.producer import Post
from jobworker.cli.chaos.schedule import SERVER
from jobworker.cli.chaos.stage import LEASE_SECONDS
from jobworker.store.states import ENDED, JobState, Outcome

#: How long the kernel may take to end what was killed, on a machine that is busy.
DEATH_MS: Final = 2000.0
#: A lease that ended although nothing was done to its supervisor or to Redis: the machine was too busy.
UNPROVOKED: Final = "lost, and no fault made its supervisor lose its lease"
#: What the error of a lost attempt says: one of two reasons.
_SILENCE: Final = re.compile(r"silent for (\d+\.\d) s, and its lease has ended")
_SUCCESSOR: Final = "it has ended, and a successor has taken its name"
#: It is told in tenths.
_TENTH_SECONDS: Final = 0.1
_ENDED: Final = {str(status) for status in ENDED}


class Past(Struct, frozen=True):
    """One attempt that did not succeed, as the API tells it."""

    attempt: int
    outcome: str
    seconds: float = 0.0
    supervisor: str = ""
    #: What its error says.
    why: str = ""

    @classmethod
    def of(cls, attempt: Mapping[str, Any]) -> Self:
        """Read an item of the job's attempts."""
        why: str = (attempt["error"] or {"message": ""})["message"]
        return cls(attempt["attempt"], attempt["outcome"], attempt["duration"], attempt["supervisor"], why)


class Standing(Struct, frozen=True):
    """What the API says of a job after the drain."""

    status: str
    #: What the attempt that counts returned: its token. Asked only where there was not exactly one run.
    token: int | None = None
    past: tuple[Past, ...] = ()
    #: How much it has printed, in all its attempts.
    log_bytes: int = 0

    @classmethod
    def of(cls, job: Mapping[str, Any]) -> Self:
        """Read the answer to GET /jobs/{id}, or an item of a list."""
        attempts: list[dict[str, Any]] = job.get("attempts", [])
        return cls(job["status"], job.get("result"), tuple(map(Past.of, attempts)), job["log_bytes"])


def _sentences() -> list[str]:
    return []


class Verdict(Struct, frozen=True, kw_only=True):
    """The sums, and a sentence for everything that should not be."""

    accepted: int
    #: Requests without an answer, and how many of their jobs were there all the same.
    maybe: int
    recovered: int
    #: How often requests were sent again because there was no answer.
    repeats: int
    succeeded: int
    #: How many attempts were followed by another one, by the reason.
    again: Counter[str] = field(default_factory=Counter[str])
    lost: list[str] = field(default_factory=_sentences)
    unfinished: list[str] = field(default_factory=_sentences)
    failed: list[str] = field(default_factory=_sentences)
    unexpected: list[str] = field(default_factory=_sentences)

    @property
    def is_clean(self) -> bool:
        """Whether everything is as promised."""
        return not (self.lost or self.unfinished or self.failed or self.unexpected)


class Evidence:
    """What clients were answered, what handlers wrote down, what was killed, and what the API says in the end."""

    def __init__(
        self, posts: Sequence[Post], runs: Sequence[Run], jobs: Mapping[str, Standing], struck: Sequence[Struck]
    ) -> None:
        self.posts = posts
        self.struck = struck
        self.jobs = jobs
        self.accepted = {post.job_id for post in posts if post.answer == "accepted"}
        self.maybe = sum(post.answer == "maybe" for post in posts)
        self.fails = {post.number for post in posts if post.fails}
        #: Of each job, by their tokens.
        self.runs: dict[str, list[Run]] = defaultdict(list)
        for run in sorted(runs, key=lambda run: run.token):
            self.runs[run.job_id].append(run)
        killed = [(run, fault.at_ms) for fault in struck if fault.kind in KILLS for run in fault.runs]
        #: When each supervisor was asked to drain.
        self.drained_at_ms = {fault.pid: fault.at_ms for fault in struck if fault.kind == DRAIN}
        self.killed_workers = {run.worker_pid for run, _ in killed}
        #: By job and token: those claimed together have the same token.
        self.killed_at_ms = {(run.job_id, run.token): at_ms for run, at_ms in killed}


def judge(evidence: Evidence) -> Verdict:
    """Look at every request, job and run."""
    jobs, accepted = evidence.jobs, evidence.accepted
    verdict = Verdict(
        accepted=len(accepted),
        maybe=evidence.maybe,
        recovered=len(jobs.keys() - accepted),
        repeats=sum(post.repeats for post in evidence.posts),
        succeeded=sum(job.status == JobState.SUCCEEDED for job in jobs.values()),
    )
    verdict.lost.extend(f"job {job_id} was accepted, and there is no record of it" for job_id in accepted - jobs.keys())
    verdict.unexpected.extend(_strangers(evidence))
    verdict.unexpected.extend(_survivors(evidence))
    for job_id, job in jobs.items():
        _judge_job(verdict, job_id, job, evidence)
    return verdict


def _strangers(evidence: Evidence) -> Iterator[str]:
    """Tell what nobody has asked for."""
    made = {post.number: {post.job_id} - {""} for post in evidence.posts}
    for job_id, runs in evidence.runs.items():
        for number in {run.number for run in runs}:
            made.setdefault(number, {"a job that nobody asked for"}).add(job_id)
        if job_id not in evidence.jobs and job_id not in evidence.accepted:
            yield f"job {job_id} ran, and there is no record of it"
    for number, job_ids in made.items():
        if len(job_ids) > 1:
            yield f"request {number} made {len(job_ids)} jobs: {', '.join(sorted(job_ids))}"
    if (strangers := len(evidence.jobs.keys() - evidence.accepted)) > evidence.maybe:
        yield f"{strangers} jobs are there without a 202, and only {evidence.maybe} requests went without an answer"
    yield from (f"request {post.number} was refused" for post in evidence.posts if post.answer == "refused")


def _survivors(evidence: Evidence) -> Iterator[str]:
    """Tell who went on working when its worker, or its supervisor, was dead."""
    for run in (run for runs in evidence.runs.values() for run in runs):
        killed_ms = evidence.killed_at_ms.get((run.job_id, run.token))
        if killed_ms is not None and run.ended_ms is not None and run.ended_ms > killed_ms + DEATH_MS:
            yield f"{_name(run)} ended {run.ended_ms - killed_ms:.0f} ms after it was killed"


def _judge_job(verdict: Verdict, job_id: str, job: Standing, evidence: Evidence) -> None:
    runs = evidence.runs.get(job_id, [])
    counted = next((run for run in runs if len(runs) == 1 or run.token == job.token), None)
    if job.status not in _ENDED:
        verdict.unfinished.append(f"job {job_id} is {job.status}")
    elif job.status != JobState.SUCCEEDED:
        verdict.failed.append(f"job {job_id} {job.status}")
    elif counted is None or counted.ended_ms is None:
        verdict.lost.append(f"job {job_id} has succeeded, but no attempt that counts has done its work")
    elif len(runs) == 1 and job.log_bytes != len(output_of(counted.number)):
        verdict.unexpected.append(f"{_name(counted)} has {job.log_bytes} bytes of output")
    else:
        _judge_runs(verdict, job, runs, counted, evidence)


def _judge_runs(verdict: Verdict, job: Standing, runs: Sequence[Run], counted: Run, evidence: Evidence) -> None:
    for run, following in zip(runs, [*runs[1:], None], strict=True):
        if run is counted:
            continue
        past = next((past for past in job.past if past.attempt == run.attempt), None)
        if following is None:
            verdict.unexpected.append(f"{_name(run)} ran after the one that counts")
        elif past is None and _was_drained(run, evidence):
            # What is put back when its supervisor stops is not recorded: it costs nothing.
            verdict.again[Outcome.SHUTDOWN] += 1
        elif past is None:
            verdict.unexpected.append(f"{_name(run)} ran, another one followed, and no reason is recorded")
        elif doubt := _doubt(run, following, past, evidence):
            verdict.unexpected.append(f"{_name(run)} {doubt}")
        elif past.outcome == Outcome.LOST and not _was_provoked(run, following, past, evidence):
            verdict.again[UNPROVOKED] += 1
        else:
            verdict.again[past.outcome] += 1


def _was_drained(run: Run, evidence: Evidence) -> bool:
    drained_ms = evidence.drained_at_ms.get(run.supervisor_pid)
    return drained_ms is not None and (run.ended_ms is None or run.ended_ms > drained_ms)


def _was_provoked(run: Run, following: Run, past: Past, evidence: Evidence) -> bool:
    return any(
        fault.target in {past.supervisor, SERVER}
        and fault.kind not in HARMLESS
        and fault.at_ms < following.began_ms
        and fault.until_ms > run.began_ms
        for fault in evidence.struck
    )


def _had_ended(why: str) -> bool:
    """Tell whether a supervisor was given up rightly: it had ended, or its lease."""
    silence = _SILENCE.search(why)
    if silence is None:
        return _SUCCESSOR in why
    return float(silence[1]) >= LEASE_SECONDS - _TENTH_SECONDS


def _doubt(run: Run, following: Run, past: Past, evidence: Evidence) -> str:
    """Return what is wrong with the end of an attempt; empty: there was a reason for it."""
    if past.outcome == Outcome.LOST and not _had_ended(past.why):
        return f"is lost too soon: {past.why}"
    if past.outcome == Outcome.LOST and (run.job_id, run.token) not in evidence.killed_at_ms:
        # Its supervisor was silent for a lease: frozen or cut off, and its workers may have gone on.
        return ""
    if run.ended_ms is not None and run.ended_ms > following.began_ms:
        return f"is {past.outcome}, and still ran when the next one began"
    reasons = {
        Outcome.LOST: True,
        Outcome.CRASHED: run.worker_pid in evidence.killed_workers,
        Outcome.TIMED_OUT: past.seconds >= TIMEOUT_SECONDS,
        Outcome.RAISED: run.number in evidence.fails and run.attempt == 1,
    }
    return "" if reasons.get(Outcome(past.outcome)) else f"is {past.outcome} after {past.seconds:g} s without a reason"


def _name(run: Run) -> str:
    return f"job {run.job_id}, attempt {run.attempt} with token {run.token},"
