"""Which jobs a request is about."""

from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec import UNSET, UnsetType

from jobworker.api.declaration import given
from jobworker.api.errors import InvalidQuery
from jobworker.api.schemas import JobsQuery
from jobworker.store.listing import JobFilter

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def filter_of(query: JobsQuery) -> JobFilter:
    """Return what a query lets through. Raises InvalidQuery when the range ends before it begins."""
    after_ms, before_ms = _ms(query.created_after), _ms(query.created_before)
    if after_ms is not None and before_ms is not None and before_ms <= after_ms:
        raise InvalidQuery("created_before must be later than created_after")
    return JobFilter(
        status=given(query.status, None),
        type=given(query.type, None),
        queue=given(query.queue, None),
        tag=given(query.tag, None),
        created_after_ms=after_ms,
        created_before_ms=before_ms,
    )


def _ms(instant: datetime | UnsetType) -> int | None:
    """Return ms since 1970, rounded up: a time between two is after the first. Before 1970 there was no job."""
    return None if instant is UNSET else max(-((_EPOCH - instant) // timedelta(milliseconds=1)), 0)
