"""The bytes that a program or a service gives as its result."""

from typing import Final

import msgspec
from msgspec import Raw

from jobworker.handlers.errors import BadResult

#: How much of what is no JSON is shown.
SHOWN_BYTES: Final = 60


def json_result(written: bytes, what: str) -> Raw | None:
    """Return the result; None: there is none. Raises BadResult when it is no JSON; `what` it is begins the sentence."""
    written = written.strip()
    if not written:
        return None
    try:
        msgspec.json.decode(written, type=Raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        beginning = written[:SHOWN_BYTES].decode(errors="replace")
        raise BadResult(f"{what} is no JSON: {error}; it begins with {beginning!r}") from None
    return Raw(written)
