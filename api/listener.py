"""The sockets that the API listens on."""

import errno
import ipaddress
import os
import socket
from collections.abc import Callable
from typing import Any

from jobworker.api.errors import AddressUnusable
from jobworker.store.settings import ApiSettings


def listen(settings: ApiSettings, has_keys: Callable[[], bool] = lambda: False) -> socket.socket:
    """Return a bound socket. Raises AddressUnusable, in one sentence.

    `has_keys`: whether there are API keys, asked where it matters.
    """
    family, address = _resolve(settings.listen)
    if settings.auth == "auto" and needs_keys(settings) and not has_keys():
        raise AddressUnusable(
            f"refusing to listen on {settings.listen}: without keys anybody who reaches it may do anything; "
            "listen on 127.0.0.1, make one by `jobworker key create`, say --api-auth required, or say --no-auth"
        )
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise _unusable(settings.listen, error) from error
    return listener


def needs_keys(settings: ApiSettings) -> bool:
    """Whether no request is answered without a key even if there is none: always, or beyond loopback.

    Raises AddressUnusable.
    """
    if settings.auth == "required":
        return True
    return not settings.no_auth and not ipaddress.ip_address(_resolve(settings.listen)[1][0]).is_loopback


def make_room(place: socket.socket) -> None:
    """Let sockets of ours listen at a bound place. It stays taken for everybody else, also while none of them does."""
    # Only now: bound with it from the start, another API of the same user would share the port without a word.
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)


def listen_beside(place: socket.socket) -> socket.socket:
    """Return another socket bound to the same address; the kernel spreads connections over those that listen."""
    listener = socket.socket(place.family, socket.SOCK_STREAM)
    # Both: connections of an API with one process may still linger at this port.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(place.getsockname())
    return listener


def _resolve(listen: str) -> tuple[socket.AddressFamily, Any]:
    host, _, port = listen.rpartition(":")
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, OverflowError) as error:
        raise _unusable(listen, error) from error
    # `localhost` is ::1 first, but most clients that say 127.0.0.1 mean it.
    family, _, _, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    return family, address


def _unusable(listen: str, error: Exception) -> AddressUnusable:
    number = getattr(error, "errno", None)
    if number == errno.EADDRINUSE:
        return AddressUnusable(f"cannot listen on {listen}: the port is in use; stop its owner or use --listen")
    reason = os.strerror(number) if isinstance(number, int) and number > 0 else str(error)
    return AddressUnusable(f"cannot listen on {listen}: {reason}")
