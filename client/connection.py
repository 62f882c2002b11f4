"""What both clients share beside the network: where the API is, the headers, how answers and silence are read."""

import json
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import httpx2
import msgspec

from jobworker.client.asking import Ask
from jobworker.client.errors import NotReachable, refusal

T = TypeVar("T")

_ERRORS_FROM: Final = 400
#: Nothing was sent when one of these is raised.
_NOT_SENT: Final = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)


def options(url: str, key: str | None, timeout_seconds: float) -> dict[str, Any]:
    """Return what a client of httpx2 is made with. Raises ValueError for a URL that is none."""
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"{url!r} is no URL of an API: it begins with http:// or https://")
    headers = {"Accept": "application/json", "User-Agent": "jobworker-client"}
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    return {"base_url": url.rstrip("/"), "headers": headers, "timeout": timeout_seconds, "follow_redirects": False}


def request_of(ask: Ask[Any], timeout_seconds: float) -> dict[str, Any]:
    """Return a request as httpx2 takes it."""
    headers: dict[str, str] = {}
    if ask.key is not None:
        headers["Idempotency-Key"] = ask.key
    content = None
    if ask.body is not None:
        headers["Content-Type"] = "application/json"
        # Not msgspec's: it would write null for a float that JSON has no word for.
        content = json.dumps(msgspec.to_builtins(ask.body), allow_nan=False).encode()
    return {
        "method": ask.method,
        "url": ask.path,
        "params": dict(ask.query) or None,
        "content": content,
        "headers": headers,
        "timeout": timeout_seconds + ask.wait_seconds,
    }


def understand(ask: Ask[T], status: int, headers: Mapping[str, str], content: bytes) -> T:
    """Return the answer. Raises Refused, NotReachable."""
    if status >= _ERRORS_FROM:
        raise refusal(status, content, headers.get("retry-after"))
    try:
        return ask.read(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise NotReachable(f"this is not a jobworker API: HTTP {status} {content[:60]!r}", sent=True) from None


def silence(url: str, error: httpx2.HTTPError | httpx2.InvalidURL) -> NotReachable:
    """Return what it means that no answer came."""
    sent = not isinstance(error, _NOT_SENT)
    doubt = "; whether it was done is not known" if sent else ""
    return NotReachable(f"the API at {url} does not answer ({error or type(error).__name__}){doubt}", sent=sent)
