"""`callback` of a job: who wants to be told of its end, as asked for and as shown."""

from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from jobworker.api.errors import InvalidBody
from jobworker.handlers.errors import InvalidDeclaration
from jobworker.handlers.foreign.url import Url
from jobworker.store.callback import Callback, Delivery
from jobworker.store.settings import WebhookSettings
from jobworker.store.states import ENDED, JobState

Event = Literal["ended", "succeeded", "failed", "cancelled", "expired"]

#: It stands in Redis as it is, and there between quotes.
_UNFIT: Final = frozenset('"\\')


class CallbackRequest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whom to tell that the job has ended, by a webhook."""

    url: Annotated[str, Meta(min_length=1, max_length=2000)]
    #: Which ends; `ended`, the default, is all of them.
    events: Annotated[tuple[Event, ...], Meta(max_length=5)] | UnsetType = UNSET


class CallbackView(Struct, frozen=True):
    """Whom the job's end is told, and how far that is."""

    url: str
    events: list[JobState]
    #: Of the job that tells it; null until this one has ended.
    delivery_id: str | None
    #: Of that job; null when it is gone, with its retention.
    status: JobState | None
    attempts: int | None


class Callbacks:
    """Reads what is asked for, as far as webhooks are sent here."""

    def __init__(self, settings: WebhookSettings) -> None:
        self._settings = settings

    def read(self, request: CallbackRequest) -> Callback:
        """Return what the job is stored with. Raises InvalidBody."""
        if not self._settings.secret and not self._settings.allow_unsigned:
            raise InvalidBody(
                "webhooks cannot be signed here: set webhooks.secret, or webhooks.allow_unsigned", pointer="/callback"
            )
        _check_url(request.url, allow_private=self._settings.allow_private)
        wanted = ("ended",) if request.events is UNSET else request.events
        if not wanted:
            raise InvalidBody(
                "callback names no event: leave events out to be told of every end", pointer="/callback/events"
            )
        ends = tuple(state for state in JobState if state in ENDED and (state in wanted or "ended" in wanted))
        return Callback(request.url, ends)


def view_callback(callback: Callback | None, delivery: Delivery | None) -> CallbackView | None:
    """Return what an answer shows."""
    if callback is None:
        return None
    delivery_id, status, attempts = (delivery.id, delivery.status, delivery.attempts) if delivery else (None,) * 3
    return CallbackView(callback.url, list(callback.events), delivery_id, status, attempts)


def _check_url(text: str, *, allow_private: bool) -> None:
    try:
        url = Url.read(text)
        if not allow_private:
            url.require_public()
    except InvalidDeclaration as error:
        told = str(error).replace("allow_private = true", "webhooks.allow_private")
        raise InvalidBody(f"callback {told}", pointer="/callback/url") from None
    if _UNFIT.intersection(text):
        raise InvalidBody("callback has a quote or a backslash in its url: write %22 or %5C", pointer="/callback/url")
