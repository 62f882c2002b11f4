"""Mending what an audit has found: the record of a job decides where it stands."""

from collections.abc import Iterable, Iterator
from enum import StrEnum

import redis
from msgspec import Struct

from jobworker.store.connection import translated
from jobworker.store.flaws import Flaw
from jobworker.store.keys import Keys
from jobworker.store.retention import Retention
from jobworker.store.scripts import Argument, script


class Mending(StrEnum):
    """What became of a flaw."""

    #: There is none any more.
    AGREES = "agrees"
    #: The indexes name the job as its record says.
    FILED = "filed"
    #: Its record said that it ran, under a supervisor that is none any more: it waits again, and has spent nothing.
    PUT_BACK = "put_back"
    #: What was left of a job without a record, or of a type without a job, is gone.
    REMOVED = "removed"
    #: Its record does not say where it belongs: it was left as it is.
    DAMAGED = "damaged"


class Mended(Struct, frozen=True):
    """A flaw, and what became of it."""

    flaw: Flaw
    mending: Mending


class Repair:
    """Mends flaws one by one, each in one script, while work goes on."""

    def __init__(self, client: redis.Redis, keys: Keys, retention: Retention) -> None:
        self._client = client
        self._keys = keys
        self._retention = retention

    def mend(self, flaws: Iterable[Flaw]) -> Iterator[Mended]:
        """Mend each and yield what became of it. Raises StoreUnavailable; what was mended before then stays so."""
        for flaw in flaws:
            yield Mended(flaw, self._mend(flaw))

    def _mend(self, flaw: Flaw) -> Mending:
        keys = self._keys
        arguments: list[Argument] = [keys.base, flaw.name, flaw.index, *self._retention.arguments()]
        with translated():
            word: bytes = script("repair").run(self._client, [keys.job(flaw.name)], arguments)
        return Mending(word.decode())
