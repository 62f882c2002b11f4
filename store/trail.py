"""The trail of what was changed, and by whom: actions of operators and administrators, the newest of them."""

import re
from typing import Any, Final, NamedTuple, Self

import redis
from msgspec import Struct

from jobworker.store.connection import translated
from jobworker.store.errors import BadCursor
from jobworker.store.keys import Keys

#: How many actions are kept, about: Redis drops the oldest in blocks.
MAX_ACTIONS: Final = 10_000
#: How much of what an action was about is kept.
MAX_DETAIL_CHARACTERS: Final = 500
MAX_PAGE_ACTIONS: Final = 1000

_PLACE: Final = re.compile(r"\d{1,20}-\d{1,20}\Z")


class Action(Struct, frozen=True, kw_only=True):
    """What was done."""

    who: str
    #: A request, `POST /jobs/pause`, or a command, `key revoke 0123456789ab`.
    what: str
    #: What came with it, as the body of the request.
    detail: str = ""
    #: The HTTP status that it was answered with; 0: it was no request.
    status: int = 0
    request_id: str = ""
    #: Redis's clock gives it.
    at_ms: int = 0

    @classmethod
    def decode(cls, place: bytes, fields: dict[bytes, bytes]) -> Self:
        """Read one entry; what is damaged in it reads as if nothing were there."""
        texts = {name.decode(errors="replace"): value.decode(errors="replace") for name, value in fields.items()}
        status = texts.get("status", "")
        return cls(
            who=texts.get("who", ""),
            what=texts.get("what", ""),
            detail=texts.get("detail", ""),
            status=int(status) if status.isdecimal() and len(status) <= 3 else 0,
            request_id=texts.get("request_id", ""),
            at_ms=int(place.partition(b"-")[0]),
        )


class TrailPage(NamedTuple):
    """Some actions, the newest first, and where the next page begins; None: there is none."""

    actions: list[Action]
    next_cursor: str | None


class Trail:
    """What was done, in Redis. Every method raises StoreUnavailable when Redis is away."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client: Any = client
        self._where = keys.audit

    def note(self, action: Action) -> None:
        """Add what was done just now."""
        fields = {
            "who": action.who,
            "what": action.what,
            "detail": action.detail[:MAX_DETAIL_CHARACTERS],
            "status": action.status,
            "request_id": action.request_id,
        }
        told = {name: value for name, value in fields.items() if value}
        with translated():
            self._client.xadd(self._where, told, maxlen=MAX_ACTIONS, approximate=True)

    def page(self, *, limit: int, cursor: str | None = None) -> TrailPage:
        """Return at most `limit` actions, the newest first. Raises BadCursor."""
        assert 1 <= limit <= MAX_PAGE_ACTIONS
        if cursor is not None and not _PLACE.match(cursor):
            raise BadCursor
        with translated():
            found = self._client.xrevrange(self._where, max=f"({cursor}" if cursor else "+", count=limit)
        actions = [Action.decode(place, fields) for place, fields in found]
        return TrailPage(actions, found[-1][0].decode() if len(found) == limit else None)
