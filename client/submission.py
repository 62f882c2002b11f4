"""The body of a submit, and the key that makes it safe to repeat."""

import uuid
from collections.abc import Mapping
from typing import Any


def body_of(type_name: str, payload: Any, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of POST /jobs; None stands for a field that is left out, as it does in Python."""
    given = {"type": type_name, "payload": payload, **fields}
    return {name: value for name, value in given.items() if value is not None}


def fresh_key(retries: int) -> str | None:
    """Return an Idempotency-Key for one submit; None where nothing is asked twice."""
    return uuid.uuid4().hex if retries else None
