"""The handlers that every supervisor has: `echo`, which a job without a type runs, and `sleep`."""

import time
from typing import Annotated, Any

from msgspec import Meta, Struct

from jobworker.handlers.decorator import handler
from jobworker.handlers.registry import Registry

Seconds = Annotated[float, Meta(ge=0, le=86_400)]


class Sleep(Struct, frozen=True, forbid_unknown_fields=True):
    """How long to sleep."""

    seconds: Seconds


def echo(payload: Any) -> Any:
    """Return the payload."""
    return payload


def sleep(payload: Sleep | Seconds) -> dict[str, float]:
    """Sleep for so many seconds, given as a number or as {"seconds": number}."""
    seconds = payload.seconds if isinstance(payload, Sleep) else payload
    time.sleep(seconds)
    return {"slept": seconds}


def declare_builtins(registry: Registry) -> None:
    """Declare them into a registry."""
    with registry.collecting():
        handler("echo")(echo)
        handler("sleep")(sleep)
