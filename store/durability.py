"""What a 202 means: how Redis keeps what it has accepted, as far as it lets itself be asked."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Self

from msgspec import Struct
from redis.exceptions import ResponseError

from jobworker.store.finding import Finding, counted, ok, problem, warning

#: The sections of INFO and the names of CONFIG that are read.
SECTIONS: Final = ("persistence", "memory", "replication")
NAMES: Final = ("appendonly", "appendfsync", "save", "maxmemory", "maxmemory-policy", "min-replicas-to-write")
UNREADABLE: Final = "cannot be read: Redis denies INFO or CONFIG to this user"


class Durability(Struct, frozen=True):
    """How accepted jobs are kept; None: Redis does not say."""

    #: Whether each write goes to an append-only file, and when that goes to the disk: always, everysec or no.
    appendonly: bool | None
    appendfsync: str | None
    #: Whether its last write to that file has failed.
    append_failed: bool
    #: Whether it takes snapshots by itself.
    snapshots: bool | None
    #: In bytes; 0: no limit.
    maxmemory: int | None
    maxmemory_policy: str | None
    replicas: int | None
    #: Without so many it refuses writes.
    min_replicas_to_write: int | None
    #: So many have confirmed a job when the API answers 202.
    wait_replicas: int

    @classmethod
    def of(cls, info: Mapping[str, Any], config: Mapping[str, str], wait_replicas: int) -> Self:
        """Put together what both tell; what only one of them tells is as good."""
        enabled = config.get("appendonly", info.get("aof_enabled"))
        save, least = config.get("save"), config.get("min-replicas-to-write")
        return cls(
            appendonly=None if enabled is None else enabled in ("yes", 1),
            appendfsync=config.get("appendfsync"),
            append_failed=info.get("aof_last_write_status", "ok") != "ok",
            snapshots=None if save is None else save != "",
            maxmemory=_number(config.get("maxmemory", info.get("maxmemory"))),
            maxmemory_policy=config.get("maxmemory-policy", info.get("maxmemory_policy")),
            replicas=_number(info.get("connected_slaves")),
            min_replicas_to_write=_number(least),
            wait_replicas=wait_replicas,
        )

    @property
    def meaning(self) -> str:
        """Say it in a sentence."""
        kept = persistence(self).fact
        if self.wait_replicas:
            return f"{kept}; {counted(self.wait_replicas, 'replica')} confirmed to have the job"
        return kept


def persistence(found: Durability) -> Finding:
    """What is left of an accepted job when Redis dies."""
    if found.append_failed:
        return problem("durability", "the last write to the append-only file failed", "look at the disk of Redis")
    if found.appendonly:
        return _append_only(found.appendfsync)
    if found.appendonly is None:
        return ok("durability", f"what a 202 means {UNREADABLE}")
    advice = "set `appendonly yes`"
    if found.snapshots is None:
        return warning("durability", f"a 202 means in memory; whether snapshots are taken {UNREADABLE}", advice)
    if found.snapshots:
        fact = "a 202 means in memory: a crash of Redis loses all since the last snapshot"
        return warning("durability", fact, advice)
    return problem("durability", "a 202 means in memory: when Redis ends, every job is lost", advice)


def _append_only(fsync: str | None) -> Finding:
    if fsync == "no":
        fact = "a 202 means written to the file of Redis; the system decides when it is on the disk"
        return warning("durability", fact, "set `appendfsync everysec`, or `always`")
    facts = {
        None: f"a 202 means written to the file of Redis; when that is on its disk {UNREADABLE}",
        "always": "a 202 means on the disk of Redis (appendfsync always)",
        "everysec": "a 202 means written to the file of Redis, and on its disk within 2 s (appendfsync everysec)",
    }
    return ok("durability", facts.get(fsync, f"append-only file with appendfsync {fsync}"))


def failover(found: Durability) -> Finding:
    """What a failover would cost."""
    wanted, replicas = found.wait_replicas, found.replicas
    if replicas is None:
        return ok("failover", f"whether there are replicas {UNREADABLE}")
    there = counted(replicas, "replica") if replicas else "no replica"
    if wanted > replicas:
        fact = f"{there} connected, and redis.wait_replicas is {wanted}: jobs are stored, yet every POST gets 503"
        return problem("failover", fact, "connect more replicas, or set a lower redis.wait_replicas")
    if wanted:
        return _confirmed(found, there)
    return ok("failover", f"to one of {there}; it loses what was not replicated by then" if replicas else there)


def _confirmed(found: Durability, there: str) -> Finding:
    fact = f"to one of {there}; {counted(found.wait_replicas, 'replica')} confirmed each job before its 202"
    least = found.min_replicas_to_write
    if least is not None and least < found.wait_replicas:
        advice = (
            f"set `min-replicas-to-write {found.wait_replicas}`: without them a job is then refused before it is stored"
        )
        return warning("failover", f"{fact}, while min-replicas-to-write is {least}", advice)
    return ok("failover", fact)


def eviction(found: Durability) -> Finding:
    """Whether Redis would rather forget jobs than refuse new ones."""
    policy = found.maxmemory_policy
    if policy is None:
        return ok("eviction", UNREADABLE)
    if policy == "noeviction":
        return ok("eviction", "none: when memory is full, new jobs are refused")
    fact, advice = f"maxmemory-policy is {policy}", "set `maxmemory-policy noeviction`"
    if found.maxmemory:
        return problem("eviction", f"{fact}: when memory is full, jobs are thrown away", advice)
    return warning("eviction", f"{fact}, and only a missing maxmemory keeps jobs from being thrown away", advice)


CHECKS: Final[tuple[Callable[[Durability], Finding], ...]] = (persistence, failover, eviction)


def read_info(client: Any, *sections: str) -> dict[str, Any]:
    """Return what INFO tells, of some sections or of all; nothing if the user may not ask."""
    try:
        return dict(client.info(*sections))
    except ResponseError:
        return {}


def read_config(client: Any, names: Iterable[str]) -> dict[str, str]:
    """Return what CONFIG GET tells; nothing if the user may not ask."""
    try:
        with client.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.config_get(name)
            answers = pipeline.execute()
    except ResponseError:
        return {}
    return {_text(name): _text(value) for answer in answers for name, value in answer.items()}


def _text(value: bytes | str) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _number(value: str | int | None) -> int | None:
    return None if value is None else int(value)
