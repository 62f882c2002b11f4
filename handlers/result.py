"""What a handler returned, as the bytes of the job's result."""

import math
from typing import Any, Final

import msgspec

from jobworker.handlers.document import Json, deeper_than
from jobworker.handlers.errors import BadResult
from jobworker.handlers.limits import MAX_JSON_DEPTH, MAX_RESULT_BYTES

_ALLOWED: Final = "a result is JSON: None, bool, int, float, str, list, dict, and Structs or dataclasses of these"
_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder()


def encode_result(value: Any) -> bytes:
    """Return the value as JSON that any reader takes: bounded in size and depth, and no NaN turned into null.

    The search for NaN costs only where `null` occurs in the result, since that is how NaN would be written.
    """
    encoded = _encode(value)
    if len(encoded) > MAX_RESULT_BYTES:
        raise BadResult(f"the result has {len(encoded)} bytes as JSON; {MAX_RESULT_BYTES} are allowed")
    _refuse_unreadable(encoded)
    if value is not None and b"null" in encoded:
        # What JSON takes and `to_builtins` does not is `msgspec.Raw`: it has been read above, and holds no NaN.
        _refuse_not_finite(msgspec.to_builtins(value, enc_hook=str), "$")
    return encoded


def _encode(value: Any) -> bytes:
    try:
        return _ENCODER.encode(value)
    except RecursionError as error:
        raise BadResult(f"the result is nested deeper than {MAX_JSON_DEPTH} levels, or contains itself") from error
    except Exception as error:  # an object of the author's: reading it may raise anything
        raise BadResult(f"the result of type {type(value).__name__} cannot be stored: {error}; {_ALLOWED}") from error


def _refuse_unreadable(encoded: bytes) -> None:
    if deeper_than(encoded, MAX_JSON_DEPTH):
        raise BadResult(f"the result is nested deeper than {MAX_JSON_DEPTH} levels")
    try:
        # A `msgspec.Raw` in the result is copied as it is, and may hold anything.
        _DECODER.decode(encoded)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadResult(f"the result cannot be read as JSON: {error}; {_ALLOWED}") from error


def _refuse_not_finite(value: Json, path: str) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise BadResult(f"the result has {value} at `{path}`, which JSON cannot say: return None or a string instead")
    if isinstance(value, dict):
        for key, item in value.items():
            _refuse_not_finite(item, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _refuse_not_finite(item, f"{path}[{index}]")
