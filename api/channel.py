"""One connection of waitress, with what it needs to be fast, to end well, and to refuse in our words."""

import contextlib
import socket
import time
from typing import Any, Final, cast

from waitress.channel import ClientDisconnected, HTTPChannel
from waitress.task import ErrorTask, Task, WSGITask

from jobworker.api.audience import Audience, Stay
from jobworker.api.headers import PLACE, STREAM, WAITED_SECONDS, answer_headers, choose_request_id
from jobworker.api.parking import Parking
from jobworker.api.parser import RequestParser
from jobworker.api.problem import PROBLEM_JSON, encode_problem, status_line
from jobworker.api.waiting import Park, Ticket

#: How long a refused client may go on sending before its connection is cut.
LINGER_SECONDS: Final = 5.0

_WORDS: Final = {
    400: "this is not a request of HTTP: {}",
    431: "request line and headers are too long: {}",
    501: "send the body with Content-Length or chunked: {}",
}


class InOnePiece(Task):
    """Sends a body that comes in one part together with the head."""

    def write(self, data: bytes) -> None:
        """Send a part of the body, before the first one the head."""
        if self.wrote_header or not data or len(data) != self.content_length:
            super().write(data)
            return
        # Two sends would be two segments, and two fights for the interpreter's lock: a tenth of a request's cost.
        head = self.build_response_header()
        self.wrote_header = True
        self.content_bytes_written = len(data)
        self.channel.write_soon(head + data)


class Answer(InOnePiece, WSGITask):
    """What the application answers."""

    #: Whoever reads knows its end without a length: the connection can go on.
    ends_with_its_head = False

    def build_response_header(self) -> bytes:
        """Return the head; while the server drains, or is crowded by who has waited, it says that it is the last."""
        channel = cast("Channel", self.channel)
        if channel.draining or (self.ticket is not None and channel.parking is not None and channel.parking.crowded):
            self.set_close_on_finish()
        wants_end = cast("RequestParser", self.request).headers.get("CONNECTION", "").lower() == "close"
        self.ends_with_its_head = not self.has_body and self.version == "1.1" and not wants_end
        return super().build_response_header()

    def set_close_on_finish(self) -> None:
        """Let the connection end with this answer; waitress asks for that too where a 204 or 304 can have no length."""
        if not self.ends_with_its_head:
            super().set_close_on_finish()

    def get_environment(self) -> dict[str, Any]:
        """Return what the application learns of the request: also how long it has waited for this thread."""
        environ: dict[str, Any] = super().get_environment()
        environ[WAITED_SECONDS] = time.monotonic() - cast("RequestParser", self.request).complete_at
        environ[STREAM] = environ[PLACE] = self
        return environ

    @property
    def ticket(self) -> Ticket | None:
        """What this request has waited with; None: it has not waited yet."""
        return cast("RequestParser", self.request).ticket

    def enter(self, job_id: str, seconds: float) -> Ticket | None:
        """Return a ticket, which is called when the job ends from now on; None: there is no room."""
        parking = cast("Channel", self.channel).parking
        return None if parking is None else parking.enter(job_id, seconds)

    def leave(self, ticket: Ticket) -> None:
        """Give a ticket back unused."""
        cast("Parking", cast("Channel", self.channel).parking).leave(ticket)

    def begin(self) -> None:
        """Send the head now; the answer has no length, and the connection ends with it."""
        cast("Channel", self.channel).streams = True
        self.set_close_on_finish()
        self.write(b"")

    def is_over(self) -> bool:
        """Whether the client has left, or the server drains."""
        channel = cast("Channel", self.channel)
        return channel.draining or not channel.connected

    @property
    def audience(self) -> Audience | None:
        """Those who listen here, of whom the client may become one."""
        return cast("Channel", self.channel).audience

    @property
    def pending_bytes(self) -> int:
        """What the client has not taken yet."""
        return self.channel.total_outbufs_len

    def send(self, text: bytes) -> None:
        """Send a part; one that is over takes nothing."""
        with contextlib.suppress(ClientDisconnected):
            self.write(text)

    def end(self) -> None:
        """End an answer whose thread has gone."""
        with contextlib.suppress(ClientDisconnected):
            self.finish()
        cast("Channel", self.channel).end_answer()

    def drop(self) -> None:
        """Cut the connection."""
        cast("Channel", self.channel).cut()


class Refusal(InOnePiece, ErrorTask):
    """What waitress answers by itself, as problem details."""

    def execute(self) -> None:
        """Send the refusal; the connection ends with it."""
        channel, parser = cast("Channel", self.channel), cast("RequestParser", self.request)
        channel.refused = True
        error = cast("Any", parser.error)
        request_id = choose_request_id(parser.headers.get("X_REQUEST_ID"))
        body = encode_problem(error.code, _WORDS.get(error.code, "{}").format(error.body), request_id)
        self.status = status_line(error.code)
        self.response_headers = [("Content-Type", PROBLEM_JSON), *answer_headers(request_id)]
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class Channel(HTTPChannel):
    """One connection.

    Told:   the loop, what the socket can do; a thread, that it serves.
    Ends:   when either side closes. After a refusal our side does so first and throws away what still comes: closing
            at once would reset the connection, and the client would lose the answer over it.
    """

    task_class = Answer
    error_task_class = Refusal
    parser_class = RequestParser

    #: The next answer is the last.
    draining = False
    #: The answer comes bit by bit, as things happen.
    streams = False
    #: The last answer was a refusal: of the request after it nothing is known.
    refused = False
    #: Until when what comes is thrown away.
    linger_end: float | None = None
    #: Where it is kept while its request waits.
    parking: Parking | None = None
    #: Where those are who listen.
    audience: Audience | None = None

    def service(self) -> None:
        """Serve a request, or keep it until its turn comes again."""
        request = cast("RequestParser", self.requests[0])
        parking, has_waited = self.parking, request.ticket is not None
        try:
            super().service()
        except Park as park:
            request.ticket = park.ticket
            cast("Parking", parking).park(self, park.ticket)
        except Stay as stay:
            stay.audience.seat(stay.listener)
        finally:
            if has_waited:
                cast("Parking", parking).served()

    def end_answer(self) -> None:
        """Close the connection when all has been sent; the answer had no thread any more."""
        with cast("Any", self).requests_lock:
            self.close_when_flushed = True
            for request in self.requests:
                request.close()
            self.requests = []
        self.server.pull_trigger()

    def cut(self) -> None:
        """Have the loop close the connection, whatever is still to be sent."""
        # Not by `will_close`: a client that takes nothing is never writable.
        cast("Any", self.server).trigger.pull_trigger(self._cut)

    def _cut(self) -> None:
        if self.connected:
            self.handle_close()

    @property
    def descriptor(self) -> int | None:
        """Of its socket; None: it is closed."""
        found: int | None = cast("Any", self)._fileno  # noqa: SLF001 - waitress has no other name for it
        return found

    def refresh(self) -> None:
        """Count the time that its request waits for a thread from now on."""
        if self.requests:
            cast("RequestParser", self.requests[0]).complete_at = time.monotonic()

    def writable(self) -> bool:
        """Tell whether the loop should send."""
        # While a thread serves, it sends by itself. The loop would only see that it could, and spin with the
        # interpreter's lock in its hand: 2,300 requests a second became 300. Beyond the mark the thread waits for us.
        # One that streams mostly sleeps: what its client did not take at once would lie here until there is more.
        if self.requests and not self.streams and self.total_outbufs_len <= self.adj.outbuf_high_watermark:
            return False
        return bool(super().writable())

    def received(self, data: bytes) -> bool:
        """Take what has come."""
        if self.linger_end is not None:
            self.will_close = self.will_close or time.monotonic() > self.linger_end
            return False
        if any(request.error for request in self.requests):
            return False
        taken: bool = super().received(data)
        if self.request is not None:
            # It counts as idle from its first byte on: who sends one more now and then is closed after a minute, too.
            self.last_activity = cast("RequestParser", self.request).began_at
        return taken

    def handle_close(self) -> None:
        """End the connection, after a refusal our half of it first."""
        if not (self.refused and self.linger_end is None and self._close_our_half()):
            super().handle_close()

    def _close_our_half(self) -> bool:
        self.linger_end = time.monotonic() + LINGER_SECONDS
        self.will_close = False
        try:
            cast("socket.socket", self.socket).shutdown(socket.SHUT_WR)
        except OSError:
            return False
        return True

    @property
    def serving(self) -> bool:
        """Whether a request is being served, or its answer is still to be sent."""
        return bool(self.requests or self.total_outbufs_len)

    @property
    def busy(self) -> bool:
        """Whether a request is coming in, is being served, or its answer is still to be sent."""
        return self.serving or self.request is not None
