"""What is asked of the API, without a network: each function is one request, and says how to read its answer."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote

import msgspec
from msgspec import Struct

from jobworker.client.job import JobView, LogItems, Page

#: The API waits no longer.
LONGEST_WAIT_SECONDS: Final = 60.0

T = TypeVar("T")


class Ask(Struct, Generic[T], frozen=True, kw_only=True):
    """One request; `answer` is the type of its JSON answer."""

    method: str
    path: str
    answer: Any
    query: Mapping[str, str] = {}
    body: Any = None
    key: str | None = None
    #: How long the API may take beyond what a request takes.
    wait_seconds: float = 0.0

    @property
    def repeatable(self) -> bool:
        """Whether asking twice does no more than asking once."""
        return self.method == "GET" or self.key is not None

    def read(self, content: bytes) -> T:
        """Return the answer. Raises msgspec.DecodeError for what is no answer of ours."""
        answer: T = msgspec.json.decode(content or b"null", type=self.answer)
        return answer


def submit(body: Mapping[str, Any], key: str | None) -> Ask[JobView]:
    """Ask for a job."""
    return Ask(method="POST", path="/jobs", answer=JobView, body=body, key=key)


def get(job_id: str) -> Ask[JobView]:
    """Ask how a job is."""
    return Ask(method="GET", path=_job(job_id), answer=JobView)


def wait(job_id: str, seconds: float) -> Ask[JobView]:
    """Ask how a job is when it has ended, or after `seconds`, of which the API counts whole ones."""
    whole = int(max(0.0, min(seconds, LONGEST_WAIT_SECONDS)))
    return Ask(method="GET", path=_job(job_id), answer=JobView, query={"wait": str(whole)}, wait_seconds=whole)


def cancel(job_id: str, reason: str | None) -> Ask[JobView]:
    """Ask for a job to be cancelled."""
    body = {} if reason is None else {"reason": reason}
    return Ask(method="POST", path=f"{_job(job_id)}/cancel", answer=JobView, body=body)


def retry(job_id: str, key: str | None) -> Ask[JobView]:
    """Ask for a job that has ended to run again."""
    return Ask(method="POST", path=f"{_job(job_id)}/retry", answer=JobView, key=key)


def delete(job_id: str) -> Ask[None]:
    """Ask for a job that has ended to be forgotten."""
    return Ask(method="DELETE", path=_job(job_id), answer=None)


def jobs(filters: Mapping[str, str]) -> Ask[Page]:
    """Ask for a page of jobs."""
    return Ask(method="GET", path="/jobs", answer=Page, query=filters)


class Pages:
    """Asks for one page after the other."""

    def __init__(self, page_size: int, filters: Mapping[str, Any]) -> None:
        given = {"limit": page_size, **filters}
        self._query = {name: _text(value) for name, value in given.items() if value is not None}
        self._ended = False

    def next(self) -> Ask[Page] | None:
        """Return what asks for the next page; None: there is none."""
        return None if self._ended else jobs(self._query)

    def take(self, page: Page) -> tuple[JobView, ...]:
        """Return the jobs of a page, and remember where the next begins."""
        if page.next_cursor is None:
            self._ended = True
        else:
            self._query["cursor"] = page.next_cursor
        return page.items


def breather_seconds(asked_seconds: float, taken_seconds: float) -> float:
    """Return how long to wait before a job is asked for again that has not ended.

    An API that has too many waiting already answers at once.
    """
    return 0.0 if taken_seconds >= min(asked_seconds, 1.0) / 2 else min(1.0, asked_seconds)


def log(job_id: str, after: int) -> Ask[LogItems]:
    """Ask for what a job has printed behind its first `after` bytes."""
    return Ask(method="GET", path=f"{_job(job_id)}/log", answer=LogItems, query={"after": str(after)})


def pause(queue: str | None, reason: str | None) -> Ask[dict[str, Any]]:
    """Ask that nothing more is started, in one queue or at all."""
    return _switch("pause", {"queue": queue, "reason": reason})


def resume(queue: str | None) -> Ask[dict[str, Any]]:
    """Ask that jobs are started again."""
    return _switch("resume", {"queue": queue})


def _switch(word: str, given: Mapping[str, str | None]) -> Ask[dict[str, Any]]:
    body = {name: value for name, value in given.items() if value is not None}
    return Ask(method="POST", path=f"/jobs/{word}", answer=dict[str, Any], body=body)


def _job(job_id: str) -> str:
    return f"/jobs/{quote(job_id, safe='')}"


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
