"""The API as the client commands see it, over one kept connection of the standard library."""

import http.client
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Self
from urllib.parse import SplitResult, quote, urlencode, urlsplit

import msgspec

from jobworker.cli.errors import Failed, NotReachable, Refused, Unavailable
from jobworker.store.limits import MAX_PAGE_JOBS
from jobworker.store.settings import ClientSettings

#: A kept connection that was idle this long is opened anew: the server may be about to close it, and a request
#: that was lost that way must not be sent twice.
MAX_IDLE_SECONDS: Final = 5.0
#: How long to wait before asking again when a 503 does not say.
DEFAULT_RETRY_AFTER_SECONDS: Final = 1.0

_HEADERS: Final = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "jobworker-cli"}


class ApiClient:
    """Asks the API at one URL. Raises NotReachable, Unavailable (503), Refused (any other error)."""

    def __init__(self, settings: ClientSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = settings.url.rstrip("/")
        self._timeout_seconds = settings.timeout
        self._clock = clock
        self._parts = _split(settings.url)
        self._headers = {**_HEADERS, **({"Authorization": f"Bearer {settings.key}"} if settings.key else {})}
        self._connection = self._connect()
        self._used_at = clock()

    def __enter__(self) -> Self:
        """Return itself; it connects at the first request."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def get_job(self, job_id: str) -> dict[str, Any]:
        """Return the job with this id."""
        return self.get(job_path(job_id))

    def jobs(self, filters: Mapping[str, str], limit: int | None) -> Iterator[dict[str, Any]]:
        """Yield the jobs that the filters let through, page by page, at most `limit` (None: all)."""
        query, left = dict(filters), limit
        while left is None or left > 0:
            query["limit"] = str(MAX_PAGE_JOBS if left is None else min(left, MAX_PAGE_JOBS))
            page = self.get(f"/jobs?{urlencode(query)}")
            yield from page["items"]
            left = None if left is None else left - len(page["items"])
            if page["next_cursor"] is None:
                return
            query["cursor"] = page["next_cursor"]

    def get(self, path: str) -> dict[str, Any]:
        """Ask for something."""
        return self._ask("GET", path, None)

    def lines(self, path: str) -> Iterator[dict[str, Any]]:
        """Yield the JSON lines of an answer that comes bit by bit, however long that takes."""
        try:
            response = self._begin(path)
            if response.status >= http.client.BAD_REQUEST:
                self._understood(response, response.read())
            for line in response:
                yield self._understood(response, line)
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            raise NotReachable(self._absence(error, sent=False)) from None
        finally:
            # Not to be used again: the answer may have been left before its end.
            self.close()

    def _begin(self, path: str) -> http.client.HTTPResponse:
        self.close()
        self._connection.request("GET", self._parts.path.rstrip("/") + path, None, self._headers)
        sock = self._connection.sock
        response = self._connection.getresponse()
        # Once it has begun it is the job that takes its time.
        sock.settimeout(None)
        return response

    def post(self, path: str, body: object, *, idempotency_key: str | None = None) -> dict[str, Any]:
        """Ask to do something. Never repeated: without an answer nobody knows whether it was done."""
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        return self._ask("POST", path, msgspec.json.encode(body), headers)

    def put(self, path: str, body: object) -> dict[str, Any]:
        """Put something in its place; asking twice does no harm."""
        return self._ask("PUT", path, msgspec.json.encode(body))

    def delete(self, path: str) -> None:
        """Ask for something to go."""
        self._ask("DELETE", path, None)

    def _ask(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        try:
            response, content = self._exchange(method, self._parts.path.rstrip("/") + path, body, headers or {})
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            self.close()
            raise NotReachable(self._absence(error, sent=method != "GET")) from None
        return self._understood(response, content)

    def _exchange(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[http.client.HTTPResponse, bytes]:
        if self._clock() - self._used_at > MAX_IDLE_SECONDS:
            self.close()
        self._connection.request(method, path, body, {**self._headers, **headers})
        response = self._connection.getresponse()
        content = response.read()
        self._used_at = self._clock()
        return response, content

    def _understood(self, response: http.client.HTTPResponse, content: bytes) -> dict[str, Any]:
        answer = {} if response.status == http.client.NO_CONTENT else _decoded(content)
        if answer is None:
            kind = response.headers.get_content_type()
            raise NotReachable(f"{self._url} does not answer like a jobworker API (HTTP {response.status}, {kind})")
        if response.status < http.client.BAD_REQUEST:
            return answer
        sentence = _sentence(answer, response)
        if response.status == http.client.SERVICE_UNAVAILABLE:
            raise Unavailable(sentence, retry_after_seconds=_retry_after(response))
        raise Refused(sentence, status=response.status)

    def _connect(self) -> http.client.HTTPConnection:
        secure = self._parts.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        return kind(self._parts.hostname or "", self._parts.port, timeout=self._timeout_seconds)

    def _absence(self, error: Exception, *, sent: bool) -> str:
        if isinstance(error, TimeoutError):
            doubt = "; whether it was done is not known" if sent else ""
            return f"the API at {self._url} did not answer within {self._timeout_seconds:g} s{doubt}"
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
        return f"the API at {self._url} is not reachable ({reason}); `jobworker up` starts one, --url names another"


def job_path(job_id: str) -> str:
    """Return the path of a job."""
    return f"/jobs/{quote(job_id, safe='')}"


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise Failed(f"{url} is not a URL: {error}") from None
    if any(character.isspace() or not character.isprintable() for character in url):
        raise Failed(f"{url!r} is not a URL: it holds a blank or a control character")
    if not parts.hostname:
        raise Failed(f"{url} names no host")
    return parts


def _decoded(content: bytes) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(content, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _sentence(problem: dict[str, Any], response: http.client.HTTPResponse) -> str:
    detail = str(problem.get("detail") or problem.get("title") or f"HTTP {response.status} {response.reason}")
    errors: list[dict[str, Any]] = problem.get("errors") or []
    found = "; ".join(f"{error.get('pointer')}: {error.get('detail')}" for error in errors)
    if not found:
        return detail
    return found if detail in found else f"{detail} ({found})"


def _retry_after(response: http.client.HTTPResponse) -> float:
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isdigit() else DEFAULT_RETRY_AFTER_SECONDS
