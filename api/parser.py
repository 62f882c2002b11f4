"""How waitress reads our requests: it refuses early what is too large, and survives what it would choke on."""

import math
import time
from typing import Final

from waitress.parser import HTTPRequestParser, ParsingError
from waitress.utilities import RequestEntityTooLarge

from jobworker.api.waiting import Ticket
from jobworker.store.limits import MAX_PAYLOAD_BYTES

#: A payload of the greatest size, and as much again as all other fields can need.
MAX_JOB_BODY_BYTES: Final = MAX_PAYLOAD_BYTES + 64 * 1024
MAX_BODY_BYTES: Final = 16 * 1024
_BY_PATH: Final = {"/jobs": MAX_JOB_BODY_BYTES}


class RequestParser(HTTPRequestParser):
    """One request, from its first byte on."""

    path: str
    #: When its last byte had come.
    complete_at = math.inf
    #: What it waits for, or has waited for.
    ticket: Ticket | None = None

    def received(self, data: bytes) -> int:
        """Take what has come; return how much of it was ours."""
        consumed = super().received(data)
        if self.body_rcv is not None:
            self._refuse_if_too_large(len(self.body_rcv))
        if self.completed:
            self.complete_at = time.monotonic()
            # waitress would answer 100 Continue now and forget that it has the request already.
            self.expect_continue = False
        # What follows a refused request on the connection cannot be told from its body.
        return len(data) if self.error else consumed

    def parse_header(self, header_plus: bytes) -> None:
        """Read request line and headers. Raises ParsingError."""
        try:
            super().parse_header(header_plus)
        except ValueError as error:
            # `http://[`, or a Content-Length of thousands of digits: waitress would drop the connection.
            raise ParsingError("the address or Content-Length is invalid") from error
        if self.chunked and "CONTENT_LENGTH" in self.headers:
            # A proxy before us might believe the other one, and take the rest for a request of its own (RFC 9112 6.1).
            raise ParsingError("a request has either Content-Length or Transfer-Encoding")

    def _refuse_if_too_large(self, received_bytes: int) -> None:
        limit = _BY_PATH.get(self.path.rstrip("/"), MAX_BODY_BYTES)
        if max(self.content_length, received_bytes) > limit:
            self.error = RequestEntityTooLarge(f"a body sent to {self.path[:100]} may have at most {limit} bytes")
            self.completed = True
