"""How waitress reads our requests: it refuses early what is too large, and survives what it would choke on."""

import math
import time
from typing import Final

from waitress.adjustments import Adjustments
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.utilities import BadRequest, Error, RequestEntityTooLarge

from jobworker.api.waiting import Ticket
from jobworker.store.limits import MAX_PAYLOAD_BYTES, MIB

#: A payload of the greatest size, and as much again as all other fields can need.
MAX_JOB_BODY_BYTES: Final = MAX_PAYLOAD_BYTES + 64 * 1024
MAX_BODY_BYTES: Final = 16 * 1024
MAX_BATCH_BODY_BYTES: Final = 16 * MIB
_BY_PATH: Final = {"/jobs": MAX_JOB_BODY_BYTES, "/jobs/batch": MAX_BATCH_BODY_BYTES}
#: Of the request line and all headers together.
MAX_HEAD_BYTES: Final = 32 * 1024
MAX_TARGET_BYTES: Final = 8 * 1024
MAX_HEADERS: Final = 100
MAX_PARAMETERS: Final = 100
#: Headers that say something only once: what is before us may have believed the other one.
_ONCE: Final = (
    *(b"HOST", b"AUTHORIZATION", b"CONTENT-LENGTH", b"CONTENT-TYPE", b"CONTENT-ENCODING", b"TRANSFER-ENCODING"),
    b"IDEMPOTENCY-KEY",
)


class TargetTooLong(Error):
    """The address is too long."""

    code = 414
    reason = "URI Too Long"


class UnknownVersion(Error):
    """This is another HTTP."""

    code = 505
    reason = "HTTP Version Not Supported"


class RequestParser(HTTPRequestParser):
    """One request, from its first byte on."""

    path: str
    query: str
    version: str
    #: When its last byte had come.
    complete_at = math.inf
    #: What it waits for, or has waited for.
    ticket: Ticket | None = None

    def __init__(self, adj: Adjustments) -> None:
        super().__init__(adj)
        #: When its first byte had come.
        self.began_at = time.time()

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
        lines = [line for line in header_plus.split(b"\r\n") if line]
        self._refuse_doubts(lines)
        self.error = self._excess(lines[0])
        if self.error is not None:
            self.completed = True

    def _refuse_doubts(self, lines: list[bytes]) -> None:
        """Raise ParsingError for what others on the way may read in another way."""
        names = [line.partition(b":")[0].upper() for line in lines[1:]]
        if any(name[:1] in (b" ", b"\t") for name in names):
            raise ParsingError("a header is one line")
        if len(names) > MAX_HEADERS:
            raise ParsingError(f"a request has at most {MAX_HEADERS} headers")
        for name in _ONCE:
            if names.count(name) > 1:
                raise ParsingError(f"{name.decode().title()} is given twice")
        coding = [line for line, name in zip(lines[1:], names, strict=True) if name == b"TRANSFER-ENCODING"]
        if coding and (not self.chunked or coding[0].lower().count(b"chunked") > 1):
            raise ParsingError("Transfer-Encoding is chunked, in HTTP/1.1, or absent")

    def _excess(self, target: bytes) -> Error | None:
        """Return what is refused for its size or version."""
        if len(target) > MAX_TARGET_BYTES:
            return TargetTooLong(f"the address may have at most {MAX_TARGET_BYTES} bytes")
        if self.query.count("&") >= MAX_PARAMETERS:
            return BadRequest(f"an address has at most {MAX_PARAMETERS} parameters")
        if self.version not in ("1.0", "1.1"):
            return UnknownVersion("send HTTP/1.1")
        return None

    def _refuse_if_too_large(self, received_bytes: int) -> None:
        limit = _BY_PATH.get(self.path.rstrip("/"), MAX_BODY_BYTES)
        if max(self.content_length, received_bytes) > limit:
            self.error = RequestEntityTooLarge(f"a body sent to {self.path[:100]} may have at most {limit} bytes")
            self.completed = True
