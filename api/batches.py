"""Many jobs in one request: what may come, what is answered, and reading it so that one bad job spoils no other."""

from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from jobworker.api.body import decode_body
from jobworker.api.errors import InvalidBody, RequestRefused, pointer_of, status_of
from jobworker.api.problem import status_line
from jobworker.api.schemas import JobRequest, Request
from jobworker.store.idempotency import Acceptance
from jobworker.store.limits import MAX_JSON_DEPTH
from jobworker.store.states import JobState

#: How many jobs one request may hold.
MAX_JOBS: Final = 10_000

_Length = Meta(min_length=1, max_length=MAX_JOBS)


class BatchRequest(Request, frozen=True):
    """The body of POST /jobs/batch."""

    jobs: Annotated[list[JobRequest], _Length]
    #: All or none of at most 200 jobs and 4 MiB; else each stands for itself.
    atomic: bool = False


class _Unread(Request, frozen=True):
    """The same, where not every job is one."""

    jobs: Annotated[list[Raw], _Length]
    atomic: bool = False


class JobProblem(Struct, frozen=True):
    """Why a job of a batch was not taken: what POST /jobs would have answered."""

    status: int
    title: str
    detail: str
    pointer: str


class BatchItem(Struct, frozen=True, kw_only=True):
    """What became of one job: its id, type and place, or an error; with a 503 the id that it has if it was taken."""

    id: str | UnsetType = UNSET
    status: JobState | UnsetType = UNSET
    type: str | UnsetType = UNSET
    queue: str | UnsetType = UNSET
    priority: int | UnsetType = UNSET
    error: JobProblem | UnsetType = UNSET


class BatchAnswer(Struct, frozen=True):
    """The answer to POST /jobs/batch: how many were taken and refused, and each in the order in which they came."""

    accepted: int
    refused: int
    jobs: list[BatchItem]


def read_batch(body: bytes) -> tuple[list[JobRequest | RequestRefused], bool]:
    """Return the jobs, or what is wrong with them, and whether all or none are to be taken.

    Raises RequestRefused where it is the body itself that is wrong.
    """
    try:
        body.decode()
        batch = msgspec.json.decode(body, type=BatchRequest)
    except (UnicodeDecodeError, msgspec.DecodeError):
        # Somewhere: looking at each job tells where, which would be slow for those that are right.
        return _read_each(body)
    except RecursionError as error:
        raise InvalidBody(f"a payload is nested deeper than {MAX_JSON_DEPTH} levels", pointer="/jobs") from error
    return [*batch.jobs], batch.atomic


def accepted_item(accepted: Acceptance) -> BatchItem:
    """Return what is told of a job that was taken."""
    return BatchItem(
        id=accepted.id,
        status=accepted.status,
        type=accepted.type,
        queue=accepted.queue,
        priority=accepted.priority,
    )


def refused_item(place: int, error: Exception, job_id: str | UnsetType = UNSET) -> BatchItem:
    """Return what is told of the job in this place that was not taken, or may not have been."""
    status = status_of(error)
    title = status_line(status).partition(" ")[2]
    return BatchItem(id=job_id, error=JobProblem(status, title, str(error), pointer_in(place, error)))


def pointer_in(place: int, error: Exception) -> str:
    """Return the JSON pointer to what is at fault in the body of the batch."""
    return f"/jobs/{place}{pointer_of(error) or ''}"


def _read_each(body: bytes) -> tuple[list[JobRequest | RequestRefused], bool]:
    if not body:
        raise InvalidBody('jobs must be given, for example {"jobs": [{}]}', pointer="/jobs")
    batch = decode_body(body, _Unread)
    return [_read_job(bytes(job)) for job in batch.jobs], batch.atomic


def _read_job(job: bytes) -> JobRequest | RequestRefused:
    try:
        return decode_body(job, JobRequest)
    except RequestRefused as error:
        return error
