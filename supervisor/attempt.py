"""An attempt in hand: the claim it began with, what it may take, its worker, and what is still to come."""

import math

from msgspec import Struct

from jobworker.store.claims import Claim
from jobworker.supervisor import messages
from jobworker.supervisor.agenda import Due
from jobworker.supervisor.budget import Budget
from jobworker.supervisor.messages import Assignment
from jobworker.supervisor.process import WorkerProcess
from jobworker.supervisor.receipts import Cpu
from jobworker.supervisor.stack import Stack


class Attempt(Struct, frozen=True):
    """A job handed to a worker."""

    claim: Claim
    budget: Budget
    worker: WorkerProcess
    #: What is still to come while it runs.
    agenda: tuple[Due, ...] = ()
    #: When its worker was sent the job; inf: not yet.
    handed_at: float = math.inf
    #: In which it hung when it was killed at its deadline, or why that is not known.
    stack: Stack = Stack()
    #: Redis no longer knows this attempt as ours: its end is nobody's business.
    dropped: bool = False
    #: What processes used that its worker left when it died.
    orphans: Cpu = Cpu()
    #: How much memory it used, with all below it, when that was over its limit; 0: it was not.
    used_bytes: int = 0

    def has_ended(self, deadline: float) -> bool:
        """Whether the handler has ended in time, and its worker is only ending what that has left running."""
        return self.handed_at <= self.worker.board.ended_ns / 1e9 <= deadline

    def assignment(self, pipe: int) -> bytes:
        """Return what its worker is sent; `pipe` is the one that its output goes into."""
        claim, budget = self.claim, self.budget
        return messages.encode(
            Assignment(
                id=claim.id,
                token=claim.token,
                type=claim.type,
                queue=claim.queue,
                payload=claim.payload,
                attempt=claim.attempt,
                max_attempts=budget.max_attempts,
                timeout_seconds=budget.timeout_seconds,
                created_ms=claim.created_ms,
                pipe=pipe,
                soft_timeout_seconds=budget.soft_timeout_seconds,
                trace=claim.trace,
                tags=claim.tags,
            )
        )
