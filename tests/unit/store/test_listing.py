"""Cursors: what leads from one page to the next, and what does not."""

from base64 import urlsafe_b64encode

import msgspec
import pytest

from jobworker.store.errors import BadCursor
from jobworker.store.listing import FIELDS, Cursor, JobFilter, page_arguments
from jobworker.store.states import JobState

WANTED = JobFilter(JobState.FAILED, "image.resize", "slow")
CURSOR = Cursor("type", WANTED, 1_800_000_000_000, "01a20c1d-68be-72fb-82e7-a2555118f737")


def encoded(*values: object) -> str:
    return urlsafe_b64encode(msgspec.json.encode(values)).rstrip(b"=").decode()


def test_a_cursor_comes_back_as_it_was_given() -> None:
    assert Cursor.decode(CURSOR.encode(), WANTED) == CURSOR


def test_a_cursor_needs_no_quoting_in_a_url() -> None:
    assert CURSOR.encode().replace("-", "").replace("_", "").isalnum()


def test_a_page_begins_at_the_start_or_behind_its_cursor() -> None:
    assert page_arguments(JobFilter(), None) == [""] * 9
    assert page_arguments(WANTED, CURSOR.encode()) == [
        *("failed", "image.resize", "slow", "", "", "", "type", 1_800_000_000_000, CURSOR.id),
    ]


NO_FILTER = [None, None, None]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "not base64!",
        "é",
        "bm90IEpTT04",
        encoded(),
        encoded("type"),
        encoded("ready:default", NO_FILTER, 1, "id"),
        encoded("type", NO_FILTER, -1, "id"),
        encoded("type", NO_FILTER, 2**53, "id"),
        encoded("type", NO_FILTER, 1.5, "id"),
        encoded("type", NO_FILTER, 1, ""),
        encoded("type", NO_FILTER, 1, "x" * 129),
        encoded("type", NO_FILTER, 1, "id", "more"),
        encoded("type", ["sleeping", None, None], 1, "id"),
        encoded("status", NO_FILTER, 1, "id"),
        encoded("tag", NO_FILTER, 1, "id"),
    ],
)
def test_what_is_no_cursor_is_refused_and_told_what_to_do(text: str) -> None:
    with pytest.raises(BadCursor, match="leave it out to begin anew"):
        Cursor.decode(text, JobFilter())


@pytest.mark.parametrize("wanted", [JobFilter(), JobFilter(JobState.FAILED), JobFilter(type="image.resize")])
def test_a_cursor_of_a_list_with_other_filters_is_refused(wanted: JobFilter) -> None:
    with pytest.raises(BadCursor, match="other filters"):
        Cursor.decode(CURSOR.encode(), wanted)


def test_a_list_reads_nothing_that_may_be_large() -> None:
    assert not {"payload", "result", "attempts", "now_ms", "id"} & set(FIELDS)
    assert len(FIELDS) == 29
