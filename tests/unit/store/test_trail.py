"""The trail of actions: the newest first, bounded, and no damage stops it."""

import pytest
import redis

from jobworker.store import trail
from jobworker.store.errors import BadCursor
from jobworker.store.keys import Keys
from jobworker.store.trail import MAX_DETAIL_CHARACTERS, Action, Trail


@pytest.fixture
def kept(redis_client: redis.Redis) -> Trail:
    return Trail(redis_client, Keys())


def test_actions_are_read_newest_first_page_by_page(kept: Trail) -> None:
    for number in range(5):
        kept.note(Action(who="ann", what=f"POST /{number}", status=200, request_id=f"r{number}"))
    first = kept.page(limit=2)
    assert [action.what for action in first.actions] == ["POST /4", "POST /3"]
    kept.note(Action(who="bob", what="POST /new"))
    second = kept.page(limit=2, cursor=first.next_cursor)
    third = kept.page(limit=2, cursor=second.next_cursor)
    assert [action.what for action in [*second.actions, *third.actions]] == ["POST /2", "POST /1", "POST /0"]
    assert third.next_cursor is None
    assert kept.page(limit=1).actions[0].at_ms > 10**12


def test_all_that_is_known_is_kept_and_long_details_are_cut(kept: Trail) -> None:
    action = Action(who="ann (key 1)", what="POST /jobs/pause", detail="x" * 1000, status=200, request_id="r")
    kept.note(action)
    [found] = kept.page(limit=10).actions
    assert (found.who, found.what, found.status, found.request_id) == ("ann (key 1)", "POST /jobs/pause", 200, "r")
    assert len(found.detail) == MAX_DETAIL_CHARACTERS


def test_it_is_bounded(kept: Trail, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trail, "MAX_ACTIONS", 10)
    for number in range(500):
        kept.note(Action(who="ann", what=str(number)))
    # Redis drops whole blocks, of a hundred by default.
    assert redis_client.xlen(Keys().audit) <= 110


@pytest.mark.parametrize("cursor", ["", "x", "1", "1-1\n", "-", "+", "$", "9" * 21 + "-1"])
def test_what_is_no_cursor_is_refused(kept: Trail, cursor: str) -> None:
    with pytest.raises(BadCursor):
        kept.page(limit=1, cursor=cursor)


def test_a_damaged_entry_is_shown_as_far_as_it_can_be_read(kept: Trail, redis_client: redis.Redis) -> None:
    redis_client.xadd(Keys().audit, {"who": b"\xff", "status": "x" * 9})
    [found] = kept.page(limit=1).actions
    assert (found.what, found.status) == ("", 0)
