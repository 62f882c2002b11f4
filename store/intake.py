"""Taking jobs in: up to 200 with one call, all or none or each for itself."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import redis

from jobworker.store.connection import translated
from jobworker.store.errors import InvalidJob, KeyReused, NotUnique, StoreError
from jobworker.store.idempotency import Acceptance, IdempotencyKey
from jobworker.store.job import NewJob
from jobworker.store.keys import Keys
from jobworker.store.limits import MAX_BATCH_JOBS, MAX_QUEUES, MAX_TAGS, MAX_TYPES
from jobworker.store.replicas import Replicas
from jobworker.store.scripts import Argument, script

#: By the word of `lua/enqueue.lua`, why it does not take a job.
_REFUSALS: Final[dict[bytes, Callable[[], StoreError]]] = {
    b"!expired": lambda: InvalidJob("expires_at must lie in the future, and after delay or run_at", field="expires_at"),
    b"!too_many_queues": lambda: InvalidJob(f"there are {MAX_QUEUES} queues already; use one of them", field="queue"),
    b"!too_many_types": lambda: InvalidJob(
        f"there are jobs of {MAX_TYPES} types already; use one of them", field="type"
    ),
    b"!too_many_tags": lambda: InvalidJob(
        f"jobs have {MAX_TAGS} different tags already; use some of them", field="tags"
    ),
}

#: What becomes of a job: it is taken, or it is not, and why; None: it would have been, without the others.
Answer = Acceptance | StoreError | None


class Intake:
    """The way in for new jobs, safe to repeat.

    Every method raises StoreUnavailable, and NotReplicated when too few replicas have confirmed in time what is stored.
    To repeat does no harm: where a job's id or key is known nothing changes, and the answer is that of the first time.
    """

    def __init__(self, client: redis.Redis, keys: Keys, replicas: Replicas) -> None:
        self._client = client
        self._keys = keys
        self._replicas = replicas

    def take(self, jobs: Sequence[NewJob], *, all_or_none: bool) -> list[Answer]:
        """Store up to 200 jobs; return what to tell of each. A refusal of one keeps the others out only if asked.

        A refusal is InvalidJob: one would expire before it is due, or there would be too many queues, types or tags; or
        NotUnique: another holds its unique key, and that is to be rejected.
        Raises KeyReused when a key is known from a request with another body; then none is stored.
        """
        assert 1 <= len(jobs) <= MAX_BATCH_JOBS
        arguments: list[Argument] = [self._keys.base, MAX_QUEUES, MAX_TYPES, MAX_TAGS, int(all_or_none), len(jobs)]
        for job in jobs:
            arguments += _key_arguments(job)
            arguments += job.arguments()
        reply = self._enqueue(arguments)
        if reply[0] == b"key_reused":
            raise KeyReused
        return [_answer(line) for line in reply[1:]]

    def accepted(self, key: IdempotencyKey) -> Acceptance | None:
        """Return what was answered to the request that has come with this key, if any. Raises KeyReused."""
        with translated():
            record: Any = self._client.get(self._keys.idempotency(key.digest))
        if record is None:
            return None
        fingerprint, _, answer = record.partition(b" ")
        if fingerprint.decode() != key.fingerprint:
            raise KeyReused
        accepted = Acceptance.decode(answer)
        if self._replicas.wanted:
            with self._one_connection() as connection:
                self._replicas.confirm(connection, self._keys.meta, [accepted.id])
        return accepted

    def _enqueue(self, arguments: list[Argument]) -> Any:
        keys = [self._keys.meta, self._keys.queues, self._keys.types, self._keys.tags]
        if not self._replicas.wanted:
            with translated():
                return script("enqueue").run(self._client, keys, arguments)
        with self._one_connection() as connection:
            reply = script("enqueue").run(connection, keys, arguments)
            answers = map(_answer, reply[1:] if reply[0] == b"ok" else [])
            if ids := [answer.id for answer in answers if isinstance(answer, Acceptance)]:
                self._replicas.confirm(connection, self._keys.meta, ids)
        return reply

    @contextmanager
    def _one_connection(self) -> Generator[redis.Redis]:
        # redis-py types it not at all.
        client: Any = self._client
        with translated(), client.client() as connection:
            yield connection


def _answer(line: bytes) -> Answer:
    if line.startswith(b"!not_unique "):
        _, holder, status = line.decode().split(" ")
        return NotUnique(holder, status)
    if line.startswith(b"!"):
        return _REFUSALS[line]()
    return Acceptance.decode(line) if line else None


def _key_arguments(job: NewJob) -> list[Argument]:
    key: list[Argument] = ["", "", ""] if job.key is None else [job.key.digest, job.key.fingerprint, job.key.keep_ms]
    return [*key, *(("", "") if job.unique is None else (job.unique.digest, job.unique.on_conflict))]
