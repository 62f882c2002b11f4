"""Checks of the Redis server."""

from collections.abc import Callable
from typing import Any, Final

from jobworker.store.durability import UNREADABLE
from jobworker.store.finding import Finding, counted, ok, problem, warning
from jobworker.store.inspection import ServerFacts
from jobworker.store.schema import SCHEMA, is_compatible

#: What the tests run on; older ones may work.
OLDEST_TESTED: Final = 7
SLOW_ROUND_TRIP_MS: Final = 10.0
CLOCKS_APART_MS: Final = 2000.0
#: Parts of maxmemory.
FULL: Final = 0.95
NEARLY_FULL: Final = 0.8
#: What our redis.conf sets: so the records of most jobs stay compact.
LISTPACK_BYTES: Final = 512


def version(server: ServerFacts) -> Finding:
    """Which server, and how it runs."""
    if not server.info:
        return ok("server", UNREADABLE)
    name = "Valkey" if "valkey_version" in server.info else "Redis"
    number = str(server.info.get("valkey_version") or server.info["redis_version"])
    mode = server.info.get("redis_mode", "standalone")
    if mode != "standalone":
        return problem("server", f"{name} {number} runs as {mode}", "connect to a single server")
    if int(number.partition(".")[0]) < OLDEST_TESTED:
        advice = f"upgrade: jobworker is tested from Redis {OLDEST_TESTED} on"
        return warning("server", f"{name} {number}, standalone", advice)
    return ok("server", f"{name} {number}, standalone")


def role(server: ServerFacts) -> Finding:
    """Whether it takes writes."""
    found = server.info.get("role")
    if found is None:
        return ok("role", UNREADABLE)
    if found != "master":
        master = f"{server.info.get('master_host')}:{server.info.get('master_port')}"
        return problem("role", "a replica, which takes no writes", f"connect to its primary, {master}")
    return ok("role", f"primary with {counted(server.info.get('connected_slaves', 0), 'replica')}")


def round_trip(server: ServerFacts) -> Finding:
    """How far away it is."""
    fact = f"{server.round_trip_ms:.2f} ms"
    if server.round_trip_ms > SLOW_ROUND_TRIP_MS:
        return warning("round trip", fact, "bring supervisors and API closer to Redis: every claim waits for it")
    return ok("round trip", fact)


def clock(server: ServerFacts) -> Finding:
    """Whether this host's clock and that of Redis agree."""
    side = "ahead of" if server.clock_ahead_ms > 0 else "behind"
    fact = f"Redis's clock is {abs(server.clock_ahead_ms) / 1000:.3f} s {side} this host's"
    if abs(server.clock_ahead_ms) > CLOCKS_APART_MS:
        return warning("clock", fact, "keep both in step by NTP: jobs become due by the clock of Redis")
    return ok("clock", fact)


def memory(server: ServerFacts) -> Finding:
    """How much room there is."""
    used = server.info.get("used_memory")
    if used is None:
        return ok("memory", UNREADABLE)
    limit = server.info.get("maxmemory", 0)
    if not limit:
        return ok("memory", f"{_mebibytes(used)} used, no maxmemory")
    fact = f"{_mebibytes(used)} of {_mebibytes(limit)} used"
    advice = "raise maxmemory, or keep ended jobs for a shorter time"
    if used >= FULL * limit:
        return problem("memory", fact, f"{advice}: new jobs are refused when it is full")
    return warning("memory", fact, advice) if used >= NEARLY_FULL * limit else ok("memory", fact)


def compactness(server: ServerFacts) -> Finding:
    """Whether a job's record stays compact."""
    names = ("hash-max-listpack-value", "hash-max-ziplist-value")
    value = next((server.config[name] for name in names if name in server.config), None)
    if value is None:
        return ok("compactness", UNREADABLE)
    fact = f"hash-max-listpack-value is {value}"
    if int(value) < LISTPACK_BYTES:
        advice = f"set it to {LISTPACK_BYTES}: jobs with payloads longer than {value} bytes take more memory"
        return warning("compactness", fact, advice)
    return ok("compactness", fact)


def schema(server: ServerFacts) -> Finding:
    """Whether this version understands the data."""
    if server.schema is None:
        return ok("schema", f"no data yet; this version writes {SCHEMA}")
    if not is_compatible(server.schema):
        advice = "use the version of jobworker that wrote it, or another redis.prefix"
        return problem("schema", f"the data is of schema {server.schema}, this version knows {SCHEMA}", advice)
    return ok("schema", server.schema)


CHECKS: Final[tuple[Callable[[ServerFacts], Finding], ...]] = (
    *(version, role, round_trip, clock),
    *(memory, compactness, schema),
)


def _mebibytes(count: Any) -> str:
    return f"{count / 1024**2:.1f} MiB"
