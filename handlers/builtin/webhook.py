"""The handler of deliveries: it tells by HTTP how a job has ended. Every supervisor has it."""

import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Raw, Struct

from jobworker.handlers.builtin.signature import sign
from jobworker.handlers.context import Job
from jobworker.handlers.decorator import handler
from jobworker.handlers.errors import RequestFailed
from jobworker.handlers.limits import MAX_JSON_DEPTH
from jobworker.handlers.outcomes import Fail, Retry
from jobworker.handlers.registry import Registry

DELIVERY_TYPE: Final = "jobworker.webhook"
TIMEOUT_SECONDS: Final = 15.0
#: Waits of up to 2 s, 12 s, 72 s, 7 min, 43 min, 4 h and 10 h: a receiver may be down for a night.
MAX_ATTEMPTS: Final = 8
#: However late a receiver says.
MOST_RETRY_SECONDS: Final = 86_400.0
BACKOFF: Final = {"base": 2, "factor": 6, "max": 36_000}
#: The receiver wants no more of it.
GONE: Final = 410

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_Ms = Annotated[int, Meta(ge=0, lt=253_402_300_800_000)]


class _Error(Struct, frozen=True):
    """Why the job failed; its traceback is nobody's business outside."""

    type: str
    message: str


class _Ended(Struct, frozen=True, kw_only=True):
    id: str
    type: str
    queue: str
    status: str
    #: With blanks between.
    tags: str
    attempt: int
    created_ms: _Ms
    started_ms: _Ms | None
    ended_ms: _Ms
    error: _Error | None
    result: Raw
    result_left_out: bool


class Delivery(Struct, frozen=True):
    """A payload, as `store/lua/includes/webhooks.lua` writes it."""

    url: str
    job: _Ended


class Told(Struct, frozen=True, kw_only=True):
    """What the receiver is told of the job."""

    id: str
    type: str
    queue: str
    status: str
    tags: list[str]
    attempt: int
    created_at: str
    started_at: str | None
    ended_at: str
    error: _Error | None
    result: Raw
    result_left_out: bool


class Message(Struct, frozen=True):
    """The body of a webhook: the same in every attempt."""

    type: str
    timestamp: str
    data: Told


@dataclass(frozen=True, slots=True)
class Webhooks:
    """How deliveries are sent from here."""

    #: The first is the newest; each signs.
    secrets: tuple[str, ...] = ()
    allow_unsigned: bool = False
    allow_private: bool = False
    clock: Callable[[], float] = time.time
    look_up: Callable[..., Any] = socket.getaddrinfo

    def declare(self, registry: Registry) -> None:
        """Declare the handler into a registry."""

        def deliver(delivery: Delivery, job: Job) -> dict[str, int]:
            """Tell by HTTP that a job has ended."""
            return self.deliver(delivery, job)

        mine = Registry()
        with mine.collecting():
            handler(DELIVERY_TYPE, timeout=TIMEOUT_SECONDS, max_attempts=MAX_ATTEMPTS, backoff=BACKOFF)(deliver)
        # Its payload holds a result, which may be as deep as any.
        registry.add(*(replace(found, max_depth=MAX_JSON_DEPTH + 2) for found in mine.all()))

    def deliver(self, delivery: Delivery, job: Job) -> dict[str, int]:
        """Send it; return the status of the answer. Raises Retry, Fail or RequestFailed unless that is 2xx."""
        # Imported with the first one: TLS takes its time and its memory in each worker.
        from jobworker.handlers.foreign.endpoint import Endpoint
        from jobworker.handlers.foreign.url import Url

        url = Url.read(delivery.url)
        body = msgspec.json.encode(message_of(delivery.job))
        tls = _tls() if url.scheme == "https" else None
        endpoint = Endpoint(url, self.allow_private, tls, self.look_up)
        answer = endpoint.post(body, self._headers(body, job), job.seconds_left)
        if 200 <= answer.status < 300:
            return {"status": answer.status}
        if answer.status == GONE:
            raise Fail(answer.told())
        after_seconds = answer.retry_after()
        if after_seconds is not None:
            # A receiver that is in a hurry would have used up the attempts within a second.
            least_seconds = min(2.0 ** (job.attempt - 1), MOST_RETRY_SECONDS)
            raise Retry(min(max(after_seconds, least_seconds), MOST_RETRY_SECONDS), answer.told())
        raise RequestFailed(answer.told())

    def _headers(self, body: bytes, job: Job) -> dict[str, str]:
        if not self.secrets and not self.allow_unsigned:
            raise RequestFailed("this supervisor has no webhooks.secret to sign with, and no webhooks.allow_unsigned")
        timestamp = int(self.clock())
        signature = {"webhook-signature": sign(self.secrets, job.id, timestamp, body)} if self.secrets else {}
        return {
            "Content-Type": "application/json",
            "Connection": "close",
            "User-Agent": "jobworker",
            "webhook-id": job.id,
            "webhook-timestamp": str(timestamp),
            **signature,
            **job.trace_headers,
        }


def message_of(ended: _Ended) -> Message:
    """Return what is sent."""
    ended_at = _instant(ended.ended_ms)
    told = Told(
        id=ended.id,
        type=ended.type,
        queue=ended.queue,
        status=ended.status,
        tags=ended.tags.split(),
        attempt=ended.attempt,
        created_at=_instant(ended.created_ms),
        started_at=None if ended.started_ms is None else _instant(ended.started_ms),
        ended_at=ended_at,
        error=ended.error,
        result=ended.result,
        result_left_out=ended.result_left_out,
    )
    return Message(f"job.{ended.status}", ended_at, told)


def _instant(ms: int) -> str:
    instant = _EPOCH + timedelta(milliseconds=ms)
    return instant.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


@cache
def _tls() -> ssl.SSLContext:
    from jobworker.handlers.foreign.endpoint import tls_context

    return tls_context(None)
