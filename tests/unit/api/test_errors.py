"""The table of statuses."""

import pytest

from jobworker.api.errors import ApiError, InvalidBody, InvalidQuery, NotAJobId, pointer_of, status_of
from jobworker.store.errors import BadCursor, InvalidJob, JobNotFound, StoreFull, WrongState


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (JobNotFound("x"), 404),
        (StoreFull(), 503),
        (InvalidJob("x", field="queue"), 422),
        (InvalidBody("x", pointer=""), 422),
        (NotAJobId(), 404),
        (WrongState("x", "running"), 409),
        (BadCursor(), 422),
        (InvalidQuery(), 422),
        (ZeroDivisionError(), 500),
    ],
)
def test_the_nearest_base_decides(error: Exception, status: int) -> None:
    assert status_of(error) == status


def test_the_docstring_is_the_default_message() -> None:
    assert str(NotAJobId()) == "The path names no job."
    assert isinstance(NotAJobId(), ApiError)


def test_the_stores_word_for_a_field_becomes_a_pointer() -> None:
    assert pointer_of(InvalidJob("x", field="expires_at")) == "/expires_at"
    assert pointer_of(InvalidBody("x", pointer="/a/b")) == "/a/b"
    assert pointer_of(JobNotFound("x")) is None
