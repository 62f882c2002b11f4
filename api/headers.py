"""The headers of every answer, whoever gives it: the application, or waitress for what is no HTTP."""

import re
import secrets
from typing import Final

#: A client's own id is kept if it is harmless in a log.
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")

#: Where the WSGI environment says how long a request has waited for a thread.
WAITED_SECONDS: Final = "jobworker.waited_seconds"
#: Where it has the connection as a Stream of followers.py, for an answer without an end.
STREAM: Final = "jobworker.stream"
#: Where it has the connection as a Place of waiting.py, for a request that waits.
PLACE: Final = "jobworker.place"

_ALWAYS: Final = (
    ("X-Content-Type-Options", "nosniff"),
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
)


def choose_request_id(wanted: str | None) -> str:
    """Return the client's X-Request-Id if it is a sane one, else a fresh id."""
    return wanted if wanted and _REQUEST_ID.match(wanted) else secrets.token_hex(8)


def answer_headers(request_id: str) -> list[tuple[str, str]]:
    """Return what stands on every answer."""
    return [*_ALWAYS, ("X-Request-Id", request_id)]
