"""All jobs of the reference: how an attempt is settled, how jobs wait, end and are forgotten."""

from collections.abc import Iterable

from msgspec.structs import replace

from jobworker.store.claims import Settle
from jobworker.store.retention import Retention
from jobworker.store.states import CRASHES, ENDED, FAILURES, FREE, JobState, Outcome
from tests.model.store.job import Job

#: Outcomes that no budget helps.
HOPELESS = {Outcome.REJECTED: "invalid_payload", Outcome.BAD_RESULT: "bad_result"}
UNHANDLED_FOR_MS = 600_000


class Shelf:
    """Every job there is, and the clock. Indexes follow from the jobs: nothing is kept twice here."""

    def __init__(self, retention: Retention, now_ms: int) -> None:
        self.retention = retention
        self.now_ms = now_ms
        self.jobs: dict[str, Job] = {}
        self.sequence = 0
        self.queues: set[str] = set()

    def next_sequence(self) -> int:
        self.sequence += 1
        return self.sequence

    def of_status(self, *statuses: JobState) -> list[Job]:
        return [job for job in self.jobs.values() if job.status in statuses]

    def held_by(self, name: str, epoch: int) -> list[Job]:
        """Return what an incarnation runs."""
        return [job for job in self.of_status(JobState.RUNNING) if (job.owner, job.epoch) == (name, epoch)]

    def is_held(self, name: str, epoch: int, job_id: str, token: int) -> bool:
        return any(job.id == job_id and job.token == token for job in self.held_by(name, epoch))

    def due_in_ms(self) -> int | None:
        """Return when the next scheduled job is due; None: there is none."""
        due = [job.run_at_ms for job in self.of_status(JobState.SCHEDULED)]
        return max(min(due) - self.now_ms, 0) if due else None

    def promote(self) -> None:
        """Make pending what is due: the latest at the end of its line, but for what was claimed before."""
        for job in sorted(self.of_status(JobState.SCHEDULED), key=lambda job: (job.run_at_ms, job.id)):
            if job.run_at_ms <= self.now_ms:
                job.status, job.held = JobState.PENDING, None
                if job.token is None:
                    job.sequence = self.next_sequence()

    def expire(self) -> None:
        """End what was not started in time."""
        due = [job for job in self.jobs.values() if job.is_expired(self.now_ms)]
        for job in sorted(due, key=lambda job: (job.expires_ms, job.id)):
            self.end(job, JobState.EXPIRED)

    def end(self, job: Job, status: JobState) -> None:
        """End a job that waits."""
        if job.status is JobState.SCHEDULED:
            job.held = None
        job.status = status
        job.ended_ms = job.expires_ms if status is JobState.EXPIRED else self.now_ms
        self.trim(status, 2)

    def forget(self, job: Job) -> None:
        del self.jobs[job.id]

    def trim(self, status: JobState, most: int) -> tuple[int, int]:
        """Delete what is over age or number; return how many are gone, and how many are left to go."""
        ended = sorted(self.of_status(status), key=lambda job: (job.ended_ms, job.id))
        keep_ms = self.retention.keep_failed_ms if status is JobState.FAILED else self.retention.keep_ms
        over_age = sum((job.ended_ms or 0) <= self.now_ms - keep_ms for job in ended)
        surplus = max(over_age, len(ended) - self.retention.keep_jobs, 0)
        gone = ended[: min(surplus, most)]
        for job in gone:
            self.forget(job)
        return len(gone), surplus - len(gone)

    def settle_all(self, name: str, epoch: int, settles: Iterable[Settle]) -> list[str]:
        """Settle attempts of one incarnation; return a word for each. What has ended is trimmed after the last."""
        ended: list[JobState] = []
        words = [self._settle(name, epoch, settle, ended) for settle in settles]
        for status in set(ended):
            self.trim(status, 2 * ended.count(status))
        return words

    def _settle(self, name: str, epoch: int, settle: Settle, ended: list[JobState]) -> str:
        job = self.jobs.get(settle.id)
        if job is None:
            return "missing"
        if not self.is_held(name, epoch, settle.id, settle.token):
            return "stale"
        for chunk in settle.log:
            job.print(chunk.at, len(chunk.data))
        settle = _forgiven(job, settle)
        job.failures += settle.outcome in FAILURES
        job.crashes += settle.outcome in CRASHES
        status, reason = self._next_status(job, settle)
        if settle.outcome not in FREE:
            self._leave_verdict(job, settle, reason)
        elif settle.outcome is Outcome.HELD and status is JobState.SCHEDULED:
            job.held = settle.reason
        if settle.detail is not None:
            job.attempts_kept = (job.attempts_kept or 0) + 1
        self._move(job, status, settle.delay_ms)
        if status in ENDED:
            ended.append(status)
        return status.value

    def _next_status(self, job: Job, settle: Settle) -> tuple[JobState, str]:
        if settle.outcome is Outcome.SUCCEEDED:
            return JobState.SUCCEEDED, ""
        if job.cancel_requested_ms is not None or settle.outcome is Outcome.CANCELLED:
            return JobState.CANCELLED, ""
        if settle.final or settle.outcome in HOPELESS:
            return JobState.FAILED, HOPELESS.get(settle.outcome, "")
        if settle.outcome in FREE:
            return (JobState.SCHEDULED if settle.outcome is Outcome.HELD else JobState.PENDING), ""
        return self._after_trouble(job, settle)

    def _after_trouble(self, job: Job, settle: Settle) -> tuple[JobState, str]:
        if settle.outcome in FAILURES:
            is_last = job.failures >= (job.max_attempts or settle.max_attempts)
            return (JobState.FAILED, "max_attempts") if is_last else (JobState.SCHEDULED, "")
        if settle.outcome in CRASHES:
            is_last = job.crashes >= (job.max_crashes or settle.max_crashes)
            return (JobState.FAILED, "crash_loop") if is_last else (JobState.PENDING, "")
        since_ms = self.now_ms if job.unhandled_ms is None else job.unhandled_ms
        is_last = self.now_ms - since_ms >= UNHANDLED_FOR_MS
        return (JobState.FAILED, "unknown_handler") if is_last else (JobState.SCHEDULED, "")

    def _leave_verdict(self, job: Job, settle: Settle, reason: str) -> None:
        job.reason = settle.reason or reason or None
        job.error = "error" if settle.error else None
        job.result = "result" if settle.result else None
        if settle.outcome is not Outcome.UNHANDLED:
            job.unhandled_ms = None
        elif job.unhandled_ms is None:
            job.unhandled_ms = self.now_ms

    def _move(self, job: Job, status: JobState, delay_ms: int) -> None:
        job.status = status
        if status in ENDED:
            job.ended_ms = self.now_ms
            return
        job.attempt = job.spent
        if status is JobState.SCHEDULED:
            job.run_at_ms = self.now_ms + delay_ms


def _forgiven(job: Job, settle: Settle) -> Settle:
    """A job that was claimed beyond the idle workers has hardly started; its first loss is free."""
    if settle.outcome is not Outcome.LOST or not job.ahead:
        return settle
    job.ahead = 0
    return replace(settle, outcome=Outcome.RECALLED, final=False, detail=None)
