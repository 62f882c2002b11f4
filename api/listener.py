"""The socket that the API listens on."""

import errno
import ipaddress
import os
import socket
from typing import Any

from jobworker.api.errors import AddressUnusable
from jobworker.store.settings import ApiSettings


def listen(settings: ApiSettings) -> socket.socket:
    """Return a bound socket. Raises AddressUnusable, in one sentence."""
    family, address = _resolve(settings.listen)
    if not settings.no_auth and not ipaddress.ip_address(address[0]).is_loopback:
        raise AddressUnusable(
            f"refusing to listen on {settings.listen}: without keys anybody who reaches it may do anything; "
            "listen on 127.0.0.1, or say --no-auth"
        )
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise _unusable(settings.listen, error) from error
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
