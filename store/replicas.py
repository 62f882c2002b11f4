"""Replicas that must have a job before it is accepted."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from jobworker.store.errors import NotReplicated
from jobworker.store.finding import counted


class Replicas(Struct, frozen=True):
    """How many must confirm a job, and within which time; 0: nobody is waited for."""

    wanted: int = 0
    timeout_ms: int = 1000

    def confirm(self, client: Any, meta: str, job_ids: Sequence[str]) -> None:
        """Wait until they have all that this server wrote before, these jobs too. Raises NotReplicated.

        `client`: of one connection, by which the jobs were written or seen; `meta`: a key of ours.
        """
        # WAIT looks no further than the last write of its own connection, and a known job that comes again writes none.
        client.hincrby(meta, "sequence", 1)
        confirmed = client.wait(self.wanted, self.timeout_ms)
        if confirmed < self.wanted:
            replicas, seconds = counted(self.wanted, "replica"), self.timeout_ms / 1000
            raise NotReplicated(
                f"{confirmed} of {replicas} confirmed {_named(job_ids)} within {seconds:g} s; it is stored and will"
                " run, but a failover could lose it: sent again with the same Idempotency-Key, the request waits anew;"
                " without one it makes another job"
            )


def _named(job_ids: Sequence[str]) -> str:
    return f"job {job_ids[0]}" if len(job_ids) == 1 else f"{len(job_ids)} jobs"
