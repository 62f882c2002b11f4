"""POST /jobs/batch."""

from collections.abc import Iterator, Sequence
from typing import Final

import falcon
import msgspec
from msgspec import UNSET

from jobworker.api.availability import UNAVAILABLE, Availability
from jobworker.api.batches import (
    BatchAnswer,
    BatchItem,
    BatchRequest,
    accepted_item,
    pointer_in,
    read_batch,
    refused_item,
)
from jobworker.api.body import read_bytes
from jobworker.api.errors import BatchRefused, InvalidBody, RequestRefused, status_of
from jobworker.api.idempotency import KEY, REPLAYED, read_key
from jobworker.api.operation import operation
from jobworker.api.repeater import Repeater
from jobworker.api.schemas import JobRequest
from jobworker.api.scopes import Scope
from jobworker.api.submission import Submission
from jobworker.store.errors import NotReplicated, OutcomeUnknown, StoreError, StoreUnavailable
from jobworker.store.idempotency import Acceptance, IdempotencyKey
from jobworker.store.intake import Answer
from jobworker.store.job import NewJob
from jobworker.store.jobs import JobStore
from jobworker.store.limits import MAX_BATCH_BYTES, MAX_BATCH_JOBS
from jobworker.store.trace import read_trace

#: What became of a job before Redis was asked: it is to be stored, it is refused, or it was accepted earlier.
Outcome = NewJob | RequestRefused | Acceptance

_DOUBT: Final = (
    "the jobs may have been accepted: with the same Idempotency-Key they can be sent again, and none comes twice"
)


class Batch:
    """Many jobs at once."""

    def __init__(
        self,
        store: JobStore,
        available: Availability,
        submission: Submission,
        repeater: Repeater,
        *,
        keep_keys_seconds: int,
    ) -> None:
        self._store = store
        self._available = available
        self._submission = submission
        self._repeater = repeater
        self._keep_keys_seconds = keep_keys_seconds

    @operation("Submit many jobs", Scope.ENQUEUE, {202: BatchAnswer}, body=BatchRequest, headers=(KEY,))
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Take jobs, each for itself or all or none; the answer tells of each in its place."""
        body = read_bytes(req)
        key = read_key(req, body, self._keep_keys_seconds)
        requests, atomic = read_batch(body)
        trace = read_trace(req.get_header("traceparent"), req.get_header("tracestate"))
        with self._available:
            jobs = [self._new_job(request, place, key, trace) for place, request in enumerate(requests)]
        items = self._take_all(jobs) if atomic else self._take_each(jobs)
        accepted = sum(item.error is UNSET for item in items)
        if accepted and all(_is_replay(job, item) for job, item in zip(jobs, items, strict=True)):
            resp.set_header(REPLAYED, "true")
        resp.status = falcon.HTTP_202
        resp.data = msgspec.json.encode(BatchAnswer(accepted, len(items) - accepted, items))

    def _new_job(
        self, request: JobRequest | RequestRefused, place: int, key: IdempotencyKey | None, trace: str
    ) -> Outcome:
        if isinstance(request, RequestRefused):
            return request
        own = None if key is None else key.of_part(place)
        try:
            return self._submission.new_job(request, own, trace)
        except RequestRefused as error:
            # As with POST /jobs: it may have been accepted when it came first.
            return error if own is None else self._store.accepted(own) or error

    def _take_all(self, outcomes: Sequence[Outcome]) -> list[BatchItem]:
        jobs = [outcome for outcome in outcomes if isinstance(outcome, NewJob)]
        if len(outcomes) > MAX_BATCH_JOBS or sum(job.size_bytes for job in jobs) > MAX_BATCH_BYTES:
            limits = f"at most {MAX_BATCH_JOBS} jobs and {MAX_BATCH_BYTES} bytes"
            raise InvalidBody(f"with `atomic` {limits} can be taken", pointer="/jobs")
        refused = [(place, each) for place, each in enumerate(outcomes) if isinstance(each, RequestRefused)]
        if refused:
            raise _all_refused(refused)
        answers = iter(self._store_chunk(jobs, all_or_none=True) if jobs else ())
        found = [each if isinstance(each, Acceptance) else next(answers) for each in outcomes]
        if refused_by_store := [(place, each) for place, each in enumerate(found) if isinstance(each, StoreError)]:
            raise _all_refused(refused_by_store)
        return [accepted_item(answer) for answer in found if isinstance(answer, Acceptance)]

    def _take_each(self, outcomes: Sequence[Outcome]) -> list[BatchItem]:
        items: dict[int, BatchItem] = {}
        for place, outcome in enumerate(outcomes):
            if isinstance(outcome, Acceptance):
                items[place] = accepted_item(outcome)
            elif isinstance(outcome, RequestRefused):
                items[place] = refused_item(place, outcome)
        self._store_each(outcomes, items)
        return [items[place] for place in range(len(outcomes))]

    def _store_each(self, outcomes: Sequence[Outcome], items: dict[int, BatchItem]) -> None:
        given: list[Answer] = []
        away: StoreError | None = None
        for chunk in _chunks(outcomes):
            answers = [away] * len(chunk) if away else self._store_or_tell([job for _, job in chunk], given)
            if away is None and isinstance(answers[0], StoreError) and status_of(answers[0]) == UNAVAILABLE:
                away = StoreUnavailable(f"not tried, because of those before it: {answers[0]}")
            items.update(
                (place, _item(place, job, answer)) for (place, job), answer in zip(chunk, answers, strict=True)
            )
            given += answers

    def _store_or_tell(self, jobs: Sequence[NewJob], before: Sequence[Answer]) -> Sequence[Answer]:
        """Return what became of them; once some are in Redis the client has to hear which, whatever happens."""
        try:
            return self._store_chunk(jobs, all_or_none=False)
        except StoreError as error:
            if not _any_taken(before):
                raise
            return [error] * len(jobs)

    def _store_chunk(self, jobs: Sequence[NewJob], *, all_or_none: bool) -> list[Answer]:
        return self._repeater.do(lambda: self._store.intake.take(jobs, all_or_none=all_or_none), _DOUBT)


def _any_taken(answers: Sequence[Answer]) -> bool:
    return any(isinstance(answer, Acceptance) for answer in answers)


def _all_refused(refused: Sequence[tuple[int, Exception]]) -> BatchRefused:
    return BatchRefused([(pointer_in(place, error), str(error)) for place, error in refused])


def _item(place: int, job: NewJob, answer: Answer) -> BatchItem:
    if isinstance(answer, Acceptance):
        return accepted_item(answer)
    assert answer is not None
    is_doubtful = isinstance(answer, OutcomeUnknown | NotReplicated)
    return refused_item(place, answer, job.id if is_doubtful else UNSET)


def _is_replay(outcome: Outcome, item: BatchItem) -> bool:
    """Whether no job was made of it now."""
    return item.error is not UNSET or not isinstance(outcome, NewJob) or item.id != outcome.id


def _chunks(outcomes: Sequence[Outcome]) -> Iterator[list[tuple[int, NewJob]]]:
    """Yield the jobs that are to be stored with their places, as many as one call may hold."""
    chunk: list[tuple[int, NewJob]] = []
    size_bytes = 0
    for place, job in enumerate(outcomes):
        if not isinstance(job, NewJob):
            continue
        if len(chunk) == MAX_BATCH_JOBS or (chunk and size_bytes + job.size_bytes > MAX_BATCH_BYTES):
            yield chunk
            chunk, size_bytes = [], 0
        chunk.append((place, job))
        size_bytes += job.size_bytes
    if chunk:
        yield chunk
