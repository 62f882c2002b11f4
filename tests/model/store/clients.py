"""The clients' side of the reference: what `JobStore` must do and answer."""

from collections.abc import Sequence

from jobworker.store.job import NewJob
from jobworker.store.states import ENDED, JobState
from tests.model.store.job import Job
from tests.model.store.shelf import Shelf


class Clients:
    """Puts jobs on the shelf and changes them; a refusal is answered as a word."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self.paused: set[str] = set()

    def enqueue(self, new_jobs: Sequence[NewJob]) -> list[JobState] | str:
        """Store all or none; a known id answers as the first time."""
        fresh: dict[str, NewJob] = {}
        for new_job in new_jobs:
            if new_job.id not in self._shelf.jobs:
                fresh.setdefault(new_job.id, new_job)
        if any(new.expires_at_ms is not None and new.expires_at_ms <= self._due_ms(new) for new in fresh.values()):
            return "expired"
        for new_job in fresh.values():
            self._store(new_job)
        return [self._shelf.jobs[new_job.id].first_status for new_job in new_jobs]

    def get(self, job_id: str) -> str:
        """Return the job's state as a reader sees it, or `missing`."""
        job = self._shelf.jobs.get(job_id)
        if job is None:
            return "missing"
        return "expired" if job.is_expired(self._shelf.now_ms) else job.status.value

    def cancel(self, job_id: str) -> str:
        job, now_ms = self._shelf.jobs.get(job_id), self._shelf.now_ms
        if job is None or job.status in ENDED:
            return "missing" if job is None else job.status.value
        if job.waits:
            is_late = job.is_expired(now_ms)
            self._shelf.end(job, JobState.EXPIRED if is_late else JobState.CANCELLED)
            return "expired" if is_late else "cancelled"
        if job.cancel_requested_ms is None:
            job.cancel_requested_ms = now_ms
        return "cancelling"

    def retry(self, job_id: str) -> str:
        if (word := self._refusal(job_id)) != "ok":
            return word
        job = self._shelf.jobs[job_id]
        job.status, job.sequence, job.run_at_ms = JobState.PENDING, self._shelf.next_sequence(), self._shelf.now_ms
        job.attempt = job.failures = job.crashes = 0
        job.cancel_requested_ms = job.ended_ms = job.expires_ms = job.unhandled_ms = job.progress_ms = None
        job.stack = job.reason = job.error = job.result = job.held = job.ahead = None
        return "ok"

    def delete(self, job_id: str) -> str:
        if (word := self._refusal(job_id)) == "ok":
            self._shelf.forget(self._shelf.jobs[job_id])
        return word

    def _refusal(self, job_id: str) -> str:
        """Return why nothing can be done with a job that has not ended; `ok`: it has."""
        seen = self.get(job_id)
        return "ok" if seen in ENDED else seen

    def _due_ms(self, new_job: NewJob) -> int:
        now_ms = self._shelf.now_ms
        return max(now_ms + new_job.delay_ms if new_job.run_at_ms is None else new_job.run_at_ms, now_ms)

    def _store(self, new_job: NewJob) -> None:
        shelf, due_ms = self._shelf, self._due_ms(new_job)
        status = JobState.SCHEDULED if due_ms > shelf.now_ms else JobState.PENDING
        shelf.queues.add(new_job.queue)
        shelf.jobs[new_job.id] = Job(
            id=new_job.id,
            type=new_job.type,
            queue=new_job.queue,
            priority=new_job.priority,
            status=status,
            first_status=status,
            created_ms=shelf.now_ms,
            run_at_ms=due_ms,
            sequence=shelf.next_sequence(),
            expires_ms=new_job.expires_at_ms,
            max_attempts=new_job.max_attempts,
            max_crashes=new_job.max_crashes,
        )
