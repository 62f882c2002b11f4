"""Asking something of a supervisor that runs: it hears of it with its next beat, a hint makes that come at once."""

import msgspec
import redis

from jobworker.store.connection import translated
from jobworker.store.errors import NotRunning, SupervisorNotFound
from jobworker.store.job import JobRecord, Note
from jobworker.store.keys import Keys
from jobworker.store.scripts import Argument, script
from jobworker.store.states import JobState


class Control:
    """What supervisors are asked. Every method raises StoreUnavailable when Redis is away."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    def stack(self, job: JobRecord) -> int:
        """Ask for the stack of a running job; return when, in ms of Redis's clock. Raises NotRunning."""
        if job.status is not JobState.RUNNING or job.owner is None or job.epoch is None or job.token is None:
            raise NotRunning(job.id, job.status)
        asked_ms = self._ask(job.owner, job.epoch, f"stack:{job.id}", job.token)
        if asked_ms is None:
            # Its supervisor is dead: it runs no more, although nobody has put it back yet.
            raise NotRunning(job.id, "waiting to be put back, for its supervisor is dead")
        return asked_ms

    def scale(self, name: str, workers: int) -> None:
        """Ask a supervisor to run so many jobs at once. Raises SupervisorNotFound."""
        self._ask_living(name, "scale", workers)

    def drain(self, name: str, note: Note) -> None:
        """Ask a supervisor to end what it runs, claim nothing more, and end. Raises SupervisorNotFound."""
        self._ask_living(name, "drain", msgspec.json.encode(note))

    def _ask_living(self, name: str, field: str, what: Argument) -> None:
        if self._ask(name, "", field, what) is None:
            raise SupervisorNotFound(name)

    def _ask(self, name: str, epoch: Argument, field: str, what: Argument) -> int | None:
        with translated():
            arguments: list[Argument] = [self._keys.base, name, epoch, field, what]
            reply = script("request").run(self._client, [self._keys.supervisor(name)], arguments)
        return int(reply[1]) if reply[0] == b"ok" else None
