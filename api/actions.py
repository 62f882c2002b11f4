"""Actions in the trail, as answers show them."""

from typing import Annotated

from msgspec import Meta, Struct

from jobworker.api.schemas import Request
from jobworker.api.views import format_instant
from jobworker.store.trail import MAX_PAGE_ACTIONS, Action, TrailPage


class AuditQuery(Request, frozen=True):
    """Parameters of GET /audit."""

    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE_ACTIONS)] = 100
    cursor: str | None = None


class ActionView(Struct, frozen=True):
    """What somebody has done."""

    at: str
    #: The name and id of a key, without one the address; of a command, who ran it.
    who: str
    #: A request, `POST /jobs/pause`, or a command, `key revoke 0123456789ab`.
    what: str
    #: The first 500 characters of what came with it.
    detail: str
    #: What it was answered with; null: it was no request.
    status: int | None
    request_id: str | None


class AuditAnswer(Struct, frozen=True):
    """Some actions, the newest first."""

    items: list[ActionView]
    next_cursor: str | None


def view_trail(page: TrailPage) -> AuditAnswer:
    """Return a page as it is shown."""
    return AuditAnswer(list(map(_view, page.actions)), page.next_cursor)


def _view(action: Action) -> ActionView:
    return ActionView(
        format_instant(action.at_ms),
        action.who,
        action.what,
        action.detail,
        action.status or None,
        action.request_id or None,
    )
