"""What a handler returned, or submits, as JSON."""

import math
from collections.abc import Callable
from typing import Any, Final

import msgspec

from jobworker.handlers.document import Json, deeper_than
from jobworker.handlers.errors import BadResult, HandlerError
from jobworker.handlers.limits import MAX_JSON_DEPTH, MAX_RESULT_BYTES

_ALLOWED: Final = "JSON is None, bool, int, float, str, list, dict, and Structs or dataclasses of these"
_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder()


Refuse = Callable[[str], HandlerError]


def encode_result(value: Any) -> bytes:
    """Return the value as the bytes of a result. Raises BadResult."""
    return encode_json(value, lambda why: BadResult(f"the result {why}"))


def encode_json(value: Any, refuse: Refuse) -> bytes:
    """Return the value as JSON that any reader takes: bounded in size and depth, and no NaN turned into null.

    The search for NaN costs only where `null` occurs in it, since that is how NaN would be written. `refuse` makes the
    error that is raised of what is wrong: `has 3 bytes …`.
    """
    encoded = _encode(value, refuse)
    if len(encoded) > MAX_RESULT_BYTES:
        raise refuse(f"has {len(encoded)} bytes as JSON; {MAX_RESULT_BYTES} are allowed")
    _refuse_unreadable(encoded, refuse)
    if value is not None and b"null" in encoded:
        # What JSON takes and `to_builtins` does not is `msgspec.Raw`: it has been read above, and holds no NaN.
        _refuse_not_finite(msgspec.to_builtins(value, enc_hook=str), "$", refuse)
    return encoded


def _encode(value: Any, refuse: Refuse) -> bytes:
    try:
        return _ENCODER.encode(value)
    except RecursionError as error:
        raise refuse(f"is nested deeper than {MAX_JSON_DEPTH} levels, or contains itself") from error
    except Exception as error:  # an object of the author's: reading it may raise anything
        raise refuse(f"of type {type(value).__name__} cannot be stored: {error}; {_ALLOWED}") from error


def _refuse_unreadable(encoded: bytes, refuse: Refuse) -> None:
    if deeper_than(encoded, MAX_JSON_DEPTH):
        raise refuse(f"is nested deeper than {MAX_JSON_DEPTH} levels")
    try:
        # A `msgspec.Raw` in it is copied as it is, and may hold anything.
        _DECODER.decode(encoded)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise refuse(f"cannot be read as JSON: {error}; {_ALLOWED}") from error


def _refuse_not_finite(value: Json, path: str, refuse: Refuse) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise refuse(f"has {value} at `{path}`, which JSON cannot say: use None or a string instead")
    if isinstance(value, dict):
        for key, item in value.items():
            _refuse_not_finite(item, f"{path}.{key}", refuse)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _refuse_not_finite(item, f"{path}[{index}]", refuse)
