"""What the answer of a service means for the attempt."""

import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.client import HTTPMessage
from typing import Final

from msgspec import Raw

from jobworker.handlers.errors import BadResult, RequestFailed
from jobworker.handlers.foreign.result import json_result
from jobworker.handlers.limits import MAX_RESULT_BYTES, MAX_RETRY_SECONDS
from jobworker.handlers.outcomes import Fail, Retry

MAX_BODY_BYTES: Final = MAX_RESULT_BYTES
#: How much is kept of what a refusal says.
REFUSAL_CHARACTERS: Final = 500

#: Statuses below 500 that are no refusal: the same request may be taken later.
_NOT_NOW: Final = frozenset({408, 429})
#: Statuses that may say when.
_TELLS_WHEN: Final = frozenset({429, 503})


@dataclass(frozen=True, slots=True)
class Answer:
    """A status line, headers, and as much of a body as a result may have, or one byte more."""

    status: int
    phrase: str
    headers: HTTPMessage
    body: bytes

    def result(self) -> Raw | None:
        """Return the result; None: it is empty. Raises Retry, Fail, BadResult or RequestFailed."""
        if 200 <= self.status < 300:
            return self._body_as_result()
        after_seconds = self.retry_after()
        if after_seconds is not None:
            raise Retry(after_seconds, self.told())
        if 300 <= self.status < 400:
            raise Fail(f"{self.status} {self.phrase}: redirects are not followed ({self.headers.get('Location')})")
        if 400 <= self.status < 500 and self.status not in _NOT_NOW:
            raise Fail(self.told())
        raise RequestFailed(self.told())

    def retry_after(self) -> float | None:
        """Return the seconds that it asks us to wait; None: it does not."""
        return _retry_after(self.headers.get("Retry-After", "")) if self.status in _TELLS_WHEN else None

    def _body_as_result(self) -> Raw | None:
        if len(self.body) > MAX_BODY_BYTES:
            raise BadResult(f"the answer has more than {MAX_BODY_BYTES} bytes: no result may be longer")
        return json_result(self.body, "the answer")

    def told(self) -> str:
        """Return what a refusal says, in one line."""
        beginning = " ".join(self.body[: 4 * REFUSAL_CHARACTERS].decode(errors="replace").split())
        return f"{self.status} {self.phrase}: {beginning[:REFUSAL_CHARACTERS]}".rstrip(": ")


def _retry_after(text: str) -> float | None:
    """Return the seconds that a `Retry-After` asks for, as number or as date; None: it does not."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), MAX_RETRY_SECONDS)
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    return min(max(0.0, when.timestamp() - time.time()), MAX_RETRY_SECONDS)
