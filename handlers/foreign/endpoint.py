"""Where a POST goes: looked up once, checked, connected to, spoken with, and no redirect followed."""

import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Final

from jobworker.handlers.errors import InvalidDeclaration, RequestFailed
from jobworker.handlers.foreign.address import LookUp, connect, look_up
from jobworker.handlers.foreign.answer import MAX_BODY_BYTES, Answer
from jobworker.handlers.foreign.url import Url

#: How long before its deadline an attempt gives up by itself, so that its worker need not be killed.
MARGIN_SECONDS: Final = 0.1

_CHUNK_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A URL, and which addresses it may lead to."""

    url: Url
    #: Whether it may be where only we can reach it.
    allow_private: bool = False
    tls: ssl.SSLContext | None = None
    look_up: LookUp = socket.getaddrinfo

    def post(self, body: bytes, headers: Mapping[str, str], seconds_left: float | None) -> Answer:
        """Return what is answered before this attempt's deadline. Raises RequestFailed, Fail."""
        patience = _Patience(seconds_left)
        try:
            with closing(self._connect(patience)) as connection:
                connection.request("POST", self.url.target, body, headers)
                return _read(connection, patience)
        except TimeoutError:
            raise RequestFailed(f"{self.url.host} has not answered within {patience.seconds:.1f} s") from None
        except (OSError, HTTPException) as error:
            told = str(error).strip() or type(error).__name__
            raise RequestFailed(f"{self.url.host}:{self.url.port} cannot be spoken to: {told}") from None

    def _connect(self, patience: "_Patience") -> HTTPConnection:
        url = self.url
        found = look_up(url.host, url.port, allow_private=self.allow_private, ask=self.look_up)
        link = connect(found, patience.left())
        if self.tls is None:
            connection = HTTPConnection(url.host, url.port)
        else:
            connection = HTTPSConnection(url.host, url.port, context=self.tls)
            link = self.tls.wrap_socket(link, server_hostname=url.host)
        # It has its socket, and must never make one: that would look the name up once more.
        connection.auto_open = 0
        connection.sock = link
        return connection


class _Patience:
    """How long an attempt may wait for its service, altogether."""

    def __init__(self, seconds_left: float | None) -> None:
        #: None: for ever.
        self.seconds = None if seconds_left is None else max(seconds_left - MARGIN_SECONDS, seconds_left / 2)
        self._began_at = time.monotonic()

    def left(self) -> float | None:
        """Return the seconds left. Raises TimeoutError when there are none."""
        if self.seconds is None:
            return None
        left = self._began_at + self.seconds - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


def _read(connection: HTTPConnection, patience: _Patience) -> Answer:
    # The connection lets go of its socket when the answer is its last; the answer reads on from it.
    link: socket.socket = connection.sock
    link.settimeout(patience.left())
    with closing(connection.getresponse()) as response:
        body = bytearray()
        while len(body) <= MAX_BODY_BYTES and (data := _read_some(response, link, patience)):
            body += data
        if response.length and len(body) <= MAX_BODY_BYTES:
            raise ConnectionError(f"its answer broke off {response.length} bytes before its end")
        return Answer(response.status, response.reason, response.headers, bytes(body))


def _read_some(response: HTTPResponse, link: socket.socket, patience: _Patience) -> bytes:
    link.settimeout(patience.left())
    return response.read1(_CHUNK_BYTES)


def tls_context(ca: Path | None) -> ssl.SSLContext:
    """Return what verifies a service's certificate and name. Raises InvalidDeclaration."""
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as error:
        raise InvalidDeclaration(f"names the certificates {ca}, which cannot be read: {error}") from None
