"""What the supervisors can run, as they publish it: one entry a type, with the schema of its payload."""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any, Self

import msgspec
from msgspec import UNSET, Struct, UnsetType

from jobworker.store.backoff import Backoff
from jobworker.store.limits import Leftovers, MaxAttempts, MaxCrashes, MemoryLimitMb, Name, Priority, TimeoutSeconds


class HandlerDefaults(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a handler's declaration says about its jobs; None leaves it to the settings.

    Shapes and ranges are those of a request. `timeout`: UNSET leaves it to the settings, None means no deadline.
    """

    queue: Name | None = None
    priority: Priority | None = None
    timeout: TimeoutSeconds | UnsetType | None = UNSET
    max_attempts: MaxAttempts | None = None
    max_crashes: MaxCrashes | None = None
    backoff: Backoff | None = None
    leftovers: Leftovers | None = None
    memory_limit_mb: MemoryLimitMb | None = None
    soft_timeout: TimeoutSeconds | None = None
    exclusive: bool | None = None


class HandlerEntry(Struct, frozen=True, omit_defaults=True):
    """One type in the catalogue."""

    type: Name
    #: JSON Schema 2020-12 of the payload.
    schema: dict[str, Any]
    defaults: HandlerDefaults = HandlerDefaults()
    description: str = ""
    #: Digest of the handler modules' source it was read from.
    digest: str = ""
    #: Redis's clock when a supervisor last published it, in ms; set by `decode`.
    seen_ms: int = 0

    @property
    def fingerprint(self) -> str:
        """What callers of the type must agree on, in short: its schema and its defaults."""
        content = msgspec.json.encode((self.schema, self.defaults), order="sorted")
        return blake2b(content, digest_size=8).hexdigest()

    @classmethod
    def decode(cls, value: bytes) -> Self:
        """Read a value of the hash `handlers`: `<ms last seen> <JSON>`."""
        seen_ms, entry = value.split(b" ", 1)
        return msgspec.structs.replace(msgspec.json.decode(entry, type=cls), seen_ms=int(seen_ms))


def crash_budgets(entries: Iterable[HandlerEntry]) -> str:
    """Return the `max_crashes` of each type that declares it, as Lua reads them.

    >>> crash_budgets([HandlerEntry("a", {}, HandlerDefaults(max_crashes=5)), HandlerEntry("b", {})])
    ' a=5'
    """
    declared = ((entry.type, entry.defaults.max_crashes) for entry in entries)
    return "".join(f" {type_name}={budget}" for type_name, budget in declared if budget is not None)


def fingerprints(entries: Iterable[HandlerEntry]) -> str:
    """Return the fingerprint of each type, as JSON."""
    return msgspec.json.encode({entry.type: entry.fingerprint for entry in entries}).decode()
