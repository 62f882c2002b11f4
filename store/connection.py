"""Connections to Redis, and its errors in our words."""

import asyncio
import ssl
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

import redis
import redis.asyncio
import redis.exceptions as errors
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from jobworker.store.errors import (
    OutcomeUnknown,
    StoreError,
    StoreFull,
    StoreMisconfigured,
    StoreUnavailable,
    WritesRefused,
)
from jobworker.store.wire import SharedWire, Wire


def connect(url: str, *, timeout_seconds: float, max_connections: int = 64) -> redis.Redis:
    """Return a client for threads; nothing is sent yet. Raises StoreMisconfigured for a URL that is none."""
    client: redis.Redis = _from_url(redis.Redis, url, Retry(NoBackoff(), 0), timeout_seconds, max_connections)
    return client


def connect_async(url: str, *, timeout_seconds: float, block_seconds: float = 0.0) -> redis.asyncio.Redis:
    """Return a client for one asyncio loop with a connection of its own; nothing is sent yet.

    `block_seconds`: how long its blocking calls may wait at the server, besides `timeout_seconds`.
    """
    retry = AsyncRetry(NoBackoff(), 0)
    client: redis.asyncio.Redis = _from_url(redis.asyncio.Redis, url, retry, timeout_seconds, 2, block_seconds)
    return client


def connect_wire(url: str, *, timeout_seconds: float) -> Wire:
    """Return a connection for the scripts of a supervisor; nothing is sent yet."""
    return Wire(connect_async(url, timeout_seconds=timeout_seconds), timeout_seconds=timeout_seconds)


def connect_shared_wire(url: str, *, timeout_seconds: float) -> SharedWire:
    """Return such a connection for callers that know nothing of each other."""
    return SharedWire(connect_async(url, timeout_seconds=timeout_seconds), timeout_seconds=timeout_seconds)


async def answers_ping(url: str, *, timeout_seconds: float) -> bool:
    """Return whether the server answers PING on a fresh connection: one that loads its data does not."""
    client: Any = connect_async(url, timeout_seconds=timeout_seconds)
    try:
        with translated():
            await client.ping()
    except StoreError:
        return False
    finally:
        await client.aclose()
    return True


def _from_url(
    factory: Any, url: str, retry: Any, timeout_seconds: float, max_connections: int, block_seconds: float = 0.0
) -> Any:
    # A client that retries by itself runs a script twice after a lost reply: retries are ours alone. No health checks
    # either: without retries they cure nothing, and a server that takes no writes answers their PING with an error.
    try:
        return factory.from_url(
            url,
            retry=retry,
            socket_timeout=timeout_seconds + block_seconds,
            socket_connect_timeout=timeout_seconds,
            max_connections=max_connections,
        )
    except ValueError as error:
        raise StoreMisconfigured(f"redis url: {error}") from None


#: Errors that pass: it loads its data, there is no master. Some of them are ConnectionErrors.
_PASSING = (errors.BusyLoadingError, errors.TryAgainError, errors.ClusterDownError)
#: What redis-py has no class for: a script runs too long; a blocking call has ended with the role of the server; it has
#: no room for our connection.
_PASSING_CODES = ("BUSY", "UNKILLABLE", "UNBLOCKED", "max number of clients reached")
#: Codes of what is refused to writes alone: it is a replica, the disk is full or broken, replicas are out of touch.
_UNWRITABLE_CODES = ("MISCONF", "NOREPLICAS")

#: Errors that waiting does not cure. Looked up in order: a subclass stands before its base.
_MISCONFIGURED: dict[type[Exception], str] = {
    errors.AuthenticationError: "Redis refuses the user or the password of the URL",
    errors.NoPermissionError: "Redis's ACL denies a command that jobworker needs",
    errors.MovedError: "this is a node of a Redis Cluster; connect to a single server",
    ssl.SSLCertVerificationError: "the certificate of Redis is not trusted",
}


def translate(error: Exception) -> StoreError:
    """Return the StoreError that says what `error` means to us."""
    # redis-py wraps what TLS raises and names no cause.
    untrusted = isinstance(error.__context__, ssl.SSLCertVerificationError)
    found: BaseException | None = error.__context__ if untrusted else error
    for kind, meaning in _MISCONFIGURED.items():
        if isinstance(found, kind):
            return StoreMisconfigured(f"{meaning} ({error})")
    if isinstance(error, errors.OutOfMemoryError):
        return StoreFull("Redis is out of memory and refuses writes; raise its maxmemory or let jobs finish")
    if isinstance(error, errors.ReadOnlyError) or str(error).startswith(_UNWRITABLE_CODES):
        return WritesRefused(f"Redis takes no writes at the moment: {error}")
    if isinstance(error, _PASSING) or str(error).startswith(_PASSING_CODES):
        return StoreUnavailable(f"Redis takes no calls at the moment: {error}")
    if isinstance(error, errors.ConnectionError | errors.TimeoutError | OSError | TimeoutError):
        ours = StoreUnavailable if _is_unsent(error) else OutcomeUnknown
        return ours(f"Redis is not reachable: {_cause(error)}")
    if str(error).startswith("WRONGTYPE"):
        return StoreError(
            "a key in Redis is not of the type that jobworker gives it; something else writes under this prefix"
            f" (`jobworker doctor` looks at the data): {error}"
        )
    return StoreError(f"Redis answered with an error: {error}")


def _is_unsent(error: Exception) -> bool:
    # redis-py has no class of its own for a connection that was never made, but these words in each such message.
    return isinstance(error, errors.MaxConnectionsError) or "connecting to" in str(error)


def _cause(error: BaseException) -> str:
    # A wrapped OSError says more than redis-py's summary of it, which may be empty.
    # Behind a timeout of asyncio's there is only its own way to end a wait.
    while error.__cause__ is not None and not isinstance(error.__cause__, asyncio.CancelledError):
        error = error.__cause__
    return str(error) or type(error).__name__


#: What redis-py and the socket raise.
FOREIGN: Final = (errors.RedisError, OSError, TimeoutError)


@contextmanager
def translated() -> Generator[None, None, None]:
    """Raise StoreError instead of whatever redis-py or the socket raises inside."""
    try:
        yield
    except FOREIGN as error:
        raise translate(error) from error
