"""A job as the reference keeps it."""

from dataclasses import dataclass

from jobworker.store.states import JobState


@dataclass
class Job:
    """One job; names as in docs/redis-keys.md. None: the record has no such field."""

    id: str
    type: str
    queue: str
    priority: int
    status: JobState
    first_status: JobState
    created_ms: int
    run_at_ms: int
    sequence: int
    expires_ms: int | None = None
    max_attempts: int | None = None
    max_crashes: int | None = None
    attempt: int = 0
    failures: int = 0
    crashes: int = 0
    owner: str | None = None
    epoch: int | None = None
    token: int | None = None
    worker: int | None = None
    started_ms: int | None = None
    ended_ms: int | None = None
    cancel_requested_ms: int | None = None
    unhandled_ms: int | None = None
    reason: str | None = None
    error: str | None = None
    result: str | None = None
    held: str | None = None
    stack: str | None = None
    progress_ms: int | None = None
    attempts_kept: int | None = None
    log_bytes: int | None = None
    #: 1: claimed beyond the idle workers; 0: one loss was forgiven for that.
    ahead: int | None = None
    #: Whose output the log holds last, and how far it has come.
    log_token: int | None = None
    log_position: int = 0

    @property
    def spent(self) -> int:
        return self.failures + self.crashes

    @property
    def waits(self) -> bool:
        return self.status in (JobState.PENDING, JobState.SCHEDULED)

    @property
    def score(self) -> int:
        return (10 - self.priority) * 2**44 + self.sequence

    def is_expired(self, now_ms: int) -> bool:
        """Whether it waits, was never started for good, and its time has passed."""
        return self.waits and not self.spent and self.expires_ms is not None and self.expires_ms <= now_ms

    def print(self, at: int, size: int) -> None:
        """Append output of the attempt that runs: no byte twice, gaps counted."""
        if self.log_token != self.token:
            self.log_token, self.log_position = self.token, 0
        fresh = max(0, at + size - self.log_position)
        self.log_position += fresh
        self.log_bytes = (self.log_bytes or 0) + fresh
