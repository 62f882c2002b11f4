"""Redis's errors in our words, and clients that do not retry by themselves."""

import ssl
from collections.abc import Callable

import pytest
import redis.exceptions as errors

from jobworker.store.connection import connect, connect_async, translate, translated
from jobworker.store.errors import (
    OutcomeUnknown,
    StoreError,
    StoreFull,
    StoreMisconfigured,
    StoreUnavailable,
    WritesRefused,
)


def wrapped(cause: Exception) -> Exception:
    """Return the error that redis-py makes of one of the socket's or of TLS."""
    try:
        try:
            raise cause
        except OSError:
            raise errors.ConnectionError("Error 1 connecting to host:6379.")  # noqa: B904 (as redis-py does)
    except errors.ConnectionError as error:
        return error


UNTRUSTED = ssl.SSLCertVerificationError(1, "certificate verify failed")


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (errors.AuthenticationError("WRONGPASS"), StoreMisconfigured, "user or the password"),
        (errors.NoPermissionError("no"), StoreMisconfigured, "ACL denies"),
        (errors.MovedError("1 host:1"), StoreMisconfigured, "Redis Cluster"),
        (UNTRUSTED, StoreMisconfigured, "certificate of Redis is not trusted"),
        (wrapped(UNTRUSTED), StoreMisconfigured, "certificate of Redis is not trusted"),
        (errors.OutOfMemoryError("no"), StoreFull, "out of memory"),
        (errors.ConnectionError("closed"), OutcomeUnknown, "not reachable: closed"),
        (wrapped(ConnectionRefusedError("no")), StoreUnavailable, "not reachable: Error 1 connecting to host:6379"),
        (errors.TimeoutError("Timeout connecting to server"), StoreUnavailable, "not reachable: Timeout connecting"),
        (errors.TimeoutError("Timeout reading"), OutcomeUnknown, "not reachable: Timeout reading"),
        (errors.MaxConnectionsError("Too many connections"), StoreUnavailable, "Too many connections"),
        (TimeoutError(), OutcomeUnknown, "not reachable: TimeoutError"),
        (ConnectionResetError(104, "reset by peer"), OutcomeUnknown, "reset by peer"),
        (errors.BusyLoadingError("loading"), StoreUnavailable, "takes no calls at the moment: loading"),
        (errors.ReadOnlyError("replica"), WritesRefused, "takes no writes at the moment: replica"),
        (errors.ClusterDownError("down"), StoreUnavailable, "takes no calls at the moment"),
        (errors.MasterDownError("no master"), StoreUnavailable, "takes no calls at the moment"),
        (errors.TryAgainError("later"), StoreUnavailable, "takes no calls at the moment"),
        (errors.ResponseError("MISCONF disk full"), WritesRefused, "takes no writes at the moment: MISCONF"),
        (errors.ResponseError("NOREPLICAS none"), WritesRefused, "takes no writes at the moment: NOREPLICAS"),
        (errors.ResponseError("BUSY script"), StoreUnavailable, "takes no calls at the moment: BUSY"),
        (
            errors.ConnectionError("max number of clients reached"),
            StoreUnavailable,
            "takes no calls at the moment: max",
        ),
        (errors.ResponseError("UNBLOCKED force unblock"), StoreUnavailable, "takes no calls at the moment: UNBLOCKED"),
        (errors.ResponseError("ERR wrong"), StoreError, "answered with an error: ERR wrong"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_every_error_says_who_must_act(error: Exception, kind: type[StoreError], words: str) -> None:
    ours = translate(error)
    assert type(ours) is kind
    assert words in str(ours)


def test_a_store_without_room_or_writes_counts_as_away_for_those_who_do_not_care_why() -> None:
    assert issubclass(StoreFull, WritesRefused)
    assert issubclass(WritesRefused, StoreUnavailable)


@pytest.mark.parametrize(
    "error", [errors.TimeoutError("t"), OSError("o"), TimeoutError("t"), errors.ResponseError("r")]
)
def test_what_redis_raises_leaves_as_ours_with_its_cause(error: Exception) -> None:
    with pytest.raises(StoreError) as ours, translated():
        raise error
    assert ours.value.__cause__ is error


def test_our_own_errors_and_bugs_pass_as_they_are() -> None:
    for error in (StoreFull(), KeyError("bug")):
        with pytest.raises(type(error)) as passed, translated():
            raise error
        assert passed.value is error


@pytest.mark.parametrize("make", [connect, connect_async])
@pytest.mark.parametrize("url", ["nonsense", "http://host", "redis://host:port", "redis://127.0.0.1:70000"])
def test_a_url_that_is_none_is_refused_before_anything_is_sent(make: Callable[..., object], url: str) -> None:
    with pytest.raises(StoreMisconfigured, match="redis url"):
        make(url, timeout_seconds=1)


@pytest.mark.parametrize("make", [connect, connect_async])
def test_a_client_does_not_retry_and_does_not_wait_for_ever(make: Callable[..., object]) -> None:
    client: object = make("redis://127.0.0.1:1/0", timeout_seconds=1.5)
    settings = client.connection_pool.connection_kwargs  # type: ignore[attr-defined]
    assert settings["retry"].get_retries() == 0
    assert (settings["socket_timeout"], settings["socket_connect_timeout"]) == (1.5, 1.5)


def test_a_blocking_client_waits_as_long_as_its_calls_block_and_the_timeout_besides() -> None:
    settings = connect_async(
        "redis://127.0.0.1:1/0", timeout_seconds=2, block_seconds=3
    ).connection_pool.connection_kwargs
    assert (settings["socket_timeout"], settings["socket_connect_timeout"]) == (5, 2)
