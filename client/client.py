"""The client for programs that block while they wait."""

import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx2

from jobworker.client import asking
from jobworker.client.asking import Ask
from jobworker.client.connection import options, request_of, silence, understand
from jobworker.client.errors import ClientError, NotEnded, NotReachable, Unavailable
from jobworker.client.job import JobView, LogItem
from jobworker.client.patience import Patience
from jobworker.client.submission import body_of, fresh_key

T = TypeVar("T")


class Client:
    """The API at one URL, over kept connections; for threads. Close it, or use it in `with`.

    Repeats by itself, `retries` times, what is safe to repeat: reads, and changes that bear an Idempotency-Key, which
    it makes for each submit and retry (none with `retries=0`: then Redis need not remember them). Every method raises
    Refused by what the API says, NotReachable when it says nothing.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8080",
        key: str | None = None,
        *,
        timeout_seconds: float = 10.0,
        retries: int = 3,
        transport: httpx2.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._timeout_seconds = timeout_seconds
        self._retries = retries
        self._sleep = sleep
        self._clock = clock
        self._http = httpx2.Client(**options(url, key, timeout_seconds), transport=transport)

    def __enter__(self) -> Self:
        """Return itself; it connects at the first request."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def submit(self, type: str, payload: Any = None, *, key: str | None = None, **fields: Any) -> JobView:  # noqa: A002 - the field's name
        """Submit a job; the answer has its id and first status. `fields` as in docs/http-api.md.

        `key`: an Idempotency-Key of your own, by which the same submit is known when your program starts anew.
        """
        return self._ask(asking.submit(body_of(type, payload, fields), key or fresh_key(self._retries)))

    def get(self, job_id: str) -> JobView:
        """Return the job. Raises NotFound."""
        return self._ask(asking.get(job_id))

    def wait(self, job_id: str, timeout_seconds: float | None = None) -> JobView:
        """Return the job when it has ended. Raises NotEnded after `timeout_seconds` (None: however long it takes)."""
        deadline = None if timeout_seconds is None else self._clock() + timeout_seconds
        while True:
            left = asking.LONGEST_WAIT_SECONDS if deadline is None else max(0.0, deadline - self._clock())
            asked_at = self._clock()
            try:
                job = self._ask(asking.wait(job_id, left))
            except (NotReachable, Unavailable):
                # An API that is started anew is away for longer than the retries last; the job is safe meanwhile.
                if deadline is None or self._clock() >= deadline:
                    raise
                self._sleep(min(1.0, left))
                continue
            if job.ended:
                return job
            if deadline is not None and self._clock() >= deadline:
                raise NotEnded(f"job {job_id} is {job.status} after {timeout_seconds:g} s")
            self._sleep(asking.breather_seconds(left, self._clock() - asked_at))

    def cancel(self, job_id: str, reason: str | None = None) -> JobView:
        """Cancel a job; one that runs is killed soon after the answer. Raises NotFound, Conflict."""
        return self._ask(asking.cancel(job_id, reason))

    def retry(self, job_id: str) -> JobView:
        """Run a job again that has ended. Raises NotFound, Conflict."""
        return self._ask(asking.retry(job_id, fresh_key(self._retries)))

    def delete(self, job_id: str) -> None:
        """Forget a job that has ended. Raises NotFound, Conflict."""
        self._ask(asking.delete(job_id))

    def jobs(self, *, page_size: int = 100, **filters: Any) -> Iterator[JobView]:
        """Yield all jobs that the filters (status, type, queue, tag, …) let through, page by page."""
        pages = asking.Pages(page_size, filters)
        while (ask := pages.next()) is not None:
            yield from pages.take(self._ask(ask))

    def log(self, job_id: str, *, after: int = 0) -> list[LogItem]:
        """Return what the job has printed, but for its first `after` bytes."""
        return list(self._ask(asking.log(job_id, after)).items)

    def pause(self, queue: str | None = None, reason: str | None = None) -> None:
        """Start nothing more, in one queue or at all; running jobs run on."""
        self._ask(asking.pause(queue, reason))

    def resume(self, queue: str | None = None) -> None:
        """Start jobs again."""
        self._ask(asking.resume(queue))

    def _ask(self, ask: Ask[T]) -> T:
        patience = Patience(self._retries)
        while True:
            try:
                return self._ask_once(ask)
            except ClientError as error:
                seconds = patience.seconds_until_next(ask, error)
                if seconds is None:
                    raise
            self._sleep(seconds)

    def _ask_once(self, ask: Ask[T]) -> T:
        try:
            response = self._http.request(**request_of(ask, self._timeout_seconds))
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise silence(self._url, error) from error
        return understand(ask, response.status_code, response.headers, response.content)
