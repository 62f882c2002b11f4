"""Connections to Redis, and its errors in our words."""

import asyncio
import ssl
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

import redis
import redis.asyncio
import redis.exceptions as errors
from redis.asyncio.connection import SSLConnection as AsyncSSLConnection
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.connection import SSLConnection
from redis.retry import Retry

from jobworker.store.errors import (
    OutcomeUnknown,
    StoreError,
    StoreFull,
    StoreMisconfigured,
    StoreUnavailable,
    WritesRefused,
)
from jobworker.store.sentinel import is_sentinel_url, sentinel_pool
from jobworker.store.wire import FOREIGN, SharedWire, Wire


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
    options = {
        "retry": retry,
        "socket_timeout": timeout_seconds + block_seconds,
        "socket_connect_timeout": timeout_seconds,
        "max_connections": max_connections,
    }
    try:
        if is_sentinel_url(url):
            client = factory.from_pool(sentinel_pool(url, translate, in_loop=factory is redis.asyncio.Redis, **options))
        else:
            client = factory.from_url(url, **options)
        _try_options(client.connection_pool)
    except (ValueError, TypeError, errors.RedisError) as error:
        raise StoreMisconfigured(f"redis url: {error}") from None
    return client


def _try_options(pool: Any) -> None:
    # redis-py looks at the options of a URL when it makes a connection, which sends nothing yet, and at files when it
    # connects, where one that is missing looks like a server that is away.
    connection = pool.connection_class(**pool.connection_kwargs)
    if isinstance(connection, SSLConnection | AsyncSSLConnection):
        _try_files(pool.connection_kwargs)


def _try_files(options: Mapping[str, Any]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority, certificate = options.get("ssl_ca_certs"), options.get("ssl_certfile")
    key = options.get("ssl_keyfile", certificate)
    if authority is not None:
        with _named(f"ssl_ca_certs={authority}"):
            context.load_verify_locations(authority)
    if certificate is not None:
        with _named(f"ssl_certfile={certificate}, ssl_keyfile={key}"):
            # A password that is not given must not be asked for on a terminal.
            context.load_cert_chain(certificate, key, options.get("ssl_password", ""))
    elif key is not None:
        raise ValueError("ssl_keyfile needs ssl_certfile beside it")


@contextmanager
def _named(files: str) -> Generator[None, None, None]:
    try:
        yield
    except OSError as error:
        raise ValueError(f"{files}: {error.strerror or error}") from None


#: Errors that pass: it loads its data, there is no master. Some of them are ConnectionErrors.
_PASSING = (errors.BusyLoadingError, errors.TryAgainError, errors.ClusterDownError)
#: What redis-py has no class for: a script runs too long; a blocking call has ended with the role of the server; it has
#: no room for our connection.
_PASSING_CODES = ("BUSY", "UNKILLABLE", "UNBLOCKED", "max number of clients reached")
#: Codes of what is refused to writes alone: it is a replica, the disk is full or broken, replicas are out of touch.
_UNWRITABLE_CODES = ("MISCONF", "NOREPLICAS")

_UNKNOWN_COMMAND = "unknown command"

#: Errors that waiting does not cure. Looked up in order: a subclass stands before its base.
_MISCONFIGURED: dict[type[Exception], str] = {
    errors.AuthenticationError: "Redis refuses the user or the password of the URL",
    errors.NoPermissionError: "Redis's ACL denies a command that jobworker needs",
    errors.MovedError: "this is a node of a Redis Cluster; connect to a single server",
}
#: In the reason of an SSLError: the server has said so.
_BY_SERVER = "ALERT"
_CLIENT_FILES = "the URL's options ssl_certfile and ssl_keyfile name it"


def translate(error: Exception) -> StoreError:
    """Return the StoreError that says what `error` means to us."""
    meanings = (_of_tls, _of_settings, _of_refusal, _of_network)
    ours = next(filter(None, (meaning(error) for meaning in meanings)), None)
    if ours is not None:
        return ours
    if str(error).startswith("WRONGTYPE"):
        return StoreError(
            "a key in Redis is not of the type that jobworker gives it; something else writes under this prefix"
            f" (`jobworker doctor` looks at the data): {error}"
        )
    return StoreError(f"Redis answered with an error: {error}")


def _of_settings(error: Exception) -> StoreError | None:
    for kind, meaning in _MISCONFIGURED.items():
        if isinstance(error, kind):
            return StoreMisconfigured(f"{meaning} ({error})")
    if str(error).startswith(_UNKNOWN_COMMAND):
        why = (
            "this server does not know a command that jobworker needs, as a Sentinel, whose URL begins with sentinel://"
        )
        return StoreMisconfigured(f"{why}, or an old version ({error})")
    return None


def _of_refusal(error: Exception) -> StoreError | None:
    if isinstance(error, errors.OutOfMemoryError):
        return StoreFull("Redis is out of memory and refuses writes; raise its maxmemory or let jobs finish")
    if isinstance(error, errors.ReadOnlyError) or str(error).startswith(_UNWRITABLE_CODES):
        return WritesRefused(f"Redis takes no writes at the moment: {error}")
    if isinstance(error, _PASSING) or str(error).startswith(_PASSING_CODES):
        return StoreUnavailable(f"Redis takes no calls at the moment: {error}")
    return None


def _of_network(error: Exception) -> StoreError | None:
    if isinstance(error, errors.ConnectionError | errors.TimeoutError | OSError | TimeoutError):
        return _unreachable(error, _cause(error))
    return None


def _tls_error(error: BaseException) -> ssl.SSLError | None:
    # redis-py wraps what TLS raises, and names it as the cause or not.
    found: BaseException | None = error
    while found is not None and not isinstance(found, ssl.SSLError):
        found = found.__cause__ or found.__context__
    return found


def _of_tls(error: Exception) -> StoreError | None:
    tls = _tls_error(error)
    if isinstance(tls, ssl.SSLCertVerificationError):
        return StoreMisconfigured(f"the certificate of Redis is not trusted ({error})")
    if tls is not None and _BY_SERVER in str(tls.reason):
        return StoreMisconfigured(f"Redis refuses our TLS; if it wants a client's certificate: {_CLIENT_FILES} ({tls})")
    if isinstance(tls, ssl.SSLEOFError):
        # So ends a server that dies, and one that wants a certificate, if its alert comes too late to be read.
        return _unreachable(error, f"{tls}; if that is always so, it may want a client's certificate: {_CLIENT_FILES}")
    return None


def _unreachable(error: Exception, cause: str) -> StoreUnavailable:
    ours = StoreUnavailable if _is_unsent(error) else OutcomeUnknown
    return ours(f"Redis is not reachable: {cause}")


def _is_unsent(error: Exception) -> bool:
    # redis-py has no class of its own for a connection that was never made, but these words in each such message.
    return isinstance(error, errors.MaxConnectionsError) or "connecting to" in str(error)


def _cause(error: BaseException) -> str:
    # A wrapped OSError says more than redis-py's summary of it, which may be empty.
    # Behind a timeout of asyncio's there is only its own way to end a wait.
    while error.__cause__ is not None and not isinstance(error.__cause__, asyncio.CancelledError):
        error = error.__cause__
    return str(error) or type(error).__name__


@contextmanager
def translated() -> Generator[None, None, None]:
    """Raise StoreError instead of whatever redis-py or the socket raises inside."""
    try:
        yield
    except FOREIGN as error:
        raise translate(error) from error
