"""Makes a job of a request."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from jobworker.api.callback import Callbacks
from jobworker.api.catalogue import Catalogue
from jobworker.api.declaration import Declaration, given, milliseconds
from jobworker.api.errors import InvalidBody
from jobworker.api.payload import check_payload
from jobworker.api.schemas import BackoffRequest, JobRequest
from jobworker.api.validation import Validators
from jobworker.api.views import format_instant
from jobworker.store.backoff import Backoff
from jobworker.store.callback import RESERVED
from jobworker.store.catalogue import HandlerDefaults, HandlerEntry
from jobworker.store.idempotency import IdempotencyKey
from jobworker.store.ids import new_job_id
from jobworker.store.job import NewJob
from jobworker.store.limits import MAX_DELAY_SECONDS
from jobworker.store.settings import JobSettings, WebhookSettings
from jobworker.store.unique import UniqueKey

#: How many known types a refusal lists.
LISTED_TYPES: Final = 20

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: The last hours of year 9999 have no name in every offset.
_LAST_MS: Final = 253_402_214_400_000


class Submission:
    """Completes requests from the catalogue and the settings."""

    def __init__(
        self,
        catalogue: Catalogue,
        settings: JobSettings,
        validators: Validators,
        *,
        callbacks: Callbacks = Callbacks(WebhookSettings()),  # noqa: B008 - it is frozen
        new_id: Callable[[], str] = new_job_id,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._catalogue = catalogue
        self._settings = settings
        self._validators = validators
        self._callbacks = callbacks
        self._new_id = new_id
        self._now = now

    def new_job(self, request: JobRequest, key: IdempotencyKey | None = None, trace: str = "") -> NewJob:
        """Return the job that `request` asks for. Raises RequestRefused, StoreUnavailable."""
        payload = bytes(request.payload)
        check_payload(payload)
        _refuse_reserved(request)
        type_name = given(request.type, self._settings.default_handler)
        entry = self._catalogue.find(type_name)
        if entry is None:
            _refuse_unknown(type_name, self._catalogue.types())
        else:
            self._validators.check(entry.schema, payload)
        declared = self._declaration(entry)
        job = NewJob(
            id=self._new_id(),
            type=type_name,
            queue=given(request.queue, declared.queue),
            priority=given(request.priority, declared.priority),
            payload=payload,
            delay_ms=milliseconds(given(request.delay, 0.0)),
            run_at_ms=self._run_at_ms(request),
            expires_at_ms=instant_ms(request.expires_at, "expires_at"),
            timeout_ms=None if request.timeout is UNSET else milliseconds(request.timeout),
            max_attempts=given(request.max_attempts, None),
            max_crashes=given(request.max_crashes, None),
            memory_limit_mb=given(request.memory_limit_mb, None),
            backoff=None if request.backoff is UNSET else _merge(request.backoff, declared.backoff),
            trace=trace,
            tags=tuple(dict.fromkeys(given(request.tags, ()))),
            callback=None if request.callback is UNSET else self._callbacks.read(request.callback),
            key=key,
            unique=_unique(request),
        )
        # Without an entry the supervisor that claims the job completes it.
        return _complete(job, declared) if entry else job

    def decided(self, job: NewJob) -> NewJob:
        """Return a job with the queue and the priority that its type declares, where it says none."""
        declared = self.declaration_of(job.type)
        queue, priority = job.queue or declared.queue, job.priority or declared.priority
        return msgspec.structs.replace(job, queue=queue, priority=priority)

    def declaration_of(self, type_name: str | None) -> Declaration:
        """Return what a job of this type gets where its request says nothing. Raises StoreUnavailable."""
        return self._declaration(None if type_name is None else self._catalogue.find(type_name))

    def _declaration(self, entry: HandlerEntry | None) -> Declaration:
        return Declaration.of(entry.defaults if entry else HandlerDefaults(), self._settings)

    def _run_at_ms(self, request: JobRequest) -> int | None:
        if request.run_at is UNSET:
            return None
        if request.delay is not UNSET:
            raise InvalidBody("delay and run_at exclude each other: give one of them", pointer="/run_at")
        run_at_ms = instant_ms(request.run_at, "run_at")
        if run_at_ms is not None and run_at_ms > 1000 * (self._now() + MAX_DELAY_SECONDS):
            days = timedelta(seconds=MAX_DELAY_SECONDS).days
            raise InvalidBody(f"run_at must be within {days} days from now", pointer="/run_at")
        return run_at_ms


def _complete(job: NewJob, declared: Declaration) -> NewJob:
    return msgspec.structs.replace(
        job,
        timeout_ms=given(job.timeout_ms, declared.timeout_ms),
        max_attempts=given(job.max_attempts, declared.max_attempts),
        max_crashes=given(job.max_crashes, declared.max_crashes),
        backoff=given(job.backoff, declared.backoff),
        memory_limit_mb=given(job.memory_limit_mb, declared.memory_limit_mb),
    )


def _merge(request: BackoffRequest, declared: Backoff) -> Backoff:
    parts = {name: getattr(request, name) for name in request.__struct_fields__}
    return msgspec.structs.replace(declared, **{name: value for name, value in parts.items() if value is not UNSET})


def instant_ms(instant: datetime | UnsetType, field: str) -> int | None:
    """Return a time of a request as Redis keeps it. Raises InvalidBody."""
    if instant is UNSET:
        return None
    milliseconds_since_epoch = (instant - _EPOCH) // timedelta(milliseconds=1)
    if not 0 <= milliseconds_since_epoch <= _LAST_MS:
        allowed = f"from {format_instant(0)} to {format_instant(_LAST_MS)}"
        raise InvalidBody(f"{field} must be a time {allowed}", pointer=f"/{field}")
    return milliseconds_since_epoch


def _unique(request: JobRequest) -> UniqueKey | None:
    if request.unique_key is not UNSET:
        return UniqueKey.of(request.unique_key, given(request.on_conflict, "return"))
    if request.on_conflict is not UNSET:
        raise InvalidBody("on_conflict goes with unique_key only", pointer="/on_conflict")
    return None


def _refuse_reserved(request: JobRequest) -> None:
    for field in ("type", "queue"):
        name = getattr(request, field)
        if name is not UNSET and name.startswith(RESERVED):
            raise InvalidBody(
                f"no {field} of yours begins with {RESERVED}: such names are our own", pointer=f"/{field}"
            )


def _refuse_unknown(type_name: str, known: Sequence[str]) -> None:
    # Without any supervisor nobody can say what is wrong: jobs may come before their handlers.
    if not known:
        return
    more = f" and {len(known) - LISTED_TYPES} more" if len(known) > LISTED_TYPES else ""
    raise InvalidBody(
        f"no supervisor knows the type {type_name}; known: {', '.join(known[:LISTED_TYPES])}{more}", pointer="/type"
    )
