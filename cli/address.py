"""HOST:PORT as the URL at which this machine reaches it, and ports that are free."""

import socket
from typing import Final

#: Who listens on every address is asked on the loopback one.
_LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104  # nothing is bound to it


def url_of(listen: str) -> str:
    """Return the URL of an API that listens there.

    >>> url_of("0.0.0.0:8080")
    'http://127.0.0.1:8080'
    """
    host, _, port = listen.rpartition(":")
    return f"http://{_LOOPBACK.get(host, host)}:{port}"


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
