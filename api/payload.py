"""The bounds of a payload, which is decoded here only if it may hold a number that no worker can read."""

import re
from typing import Final

import msgspec

from jobworker.api.errors import InvalidBody, PayloadTooLarge
from jobworker.store.limits import MAX_JSON_DEPTH, MAX_PAYLOAD_BYTES

_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
#: The first half of a surrogate pair, escaped, without the other half behind it.
_LONE_SURROGATE: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])")
_TO_SQUARE: Final = bytes.maketrans(b"{}", b"[]")
_NO_BRACKET: Final = bytes(set(range(256)) - set(b"[]{}"))
#: An exponent, or more digits than a float has.
_DOUBTFUL_NUMBER: Final = re.compile(rb"\d[eE]|\d{300}")


def check_payload(payload: bytes) -> None:
    """Raise PayloadTooLarge or InvalidBody unless the payload (valid JSON) keeps the limits."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise PayloadTooLarge(f"payload is {len(payload)} bytes; at most {MAX_PAYLOAD_BYTES} (1 MiB) are allowed")
    if is_nested_deeper(payload, MAX_JSON_DEPTH):
        raise too_deep()
    if _DOUBTFUL_NUMBER.search(payload) and not _is_readable(payload):
        raise InvalidBody("payload holds a number that is out of range: floats end at 1.8e308", pointer="/payload")


def _is_readable(payload: bytes) -> bool:
    try:
        msgspec.json.decode(payload)
    except msgspec.DecodeError:
        return False
    return True


def why_not_json(text: bytes, error: msgspec.DecodeError) -> str:
    """Return what is wrong with a text that is no JSON, in better words than msgspec's where it misleads."""
    if not text.strip():
        return "it is empty"
    if _LONE_SURROGATE.search(text):
        return "a \\u escape is half of a surrogate pair, and the other half does not follow"
    return str(error)


def too_deep() -> InvalidBody:
    """Return the error for a payload that nests too deep."""
    return InvalidBody(f"payload is nested deeper than {MAX_JSON_DEPTH} levels", pointer="/payload")


def is_nested_deeper(json: bytes, levels: int) -> bool:
    """Tell whether a JSON text nests deeper than `levels`, without recursion and at the speed of C.

    >>> is_nested_deeper(b'[{"a": []}]', 2), is_nested_deeper(b'["[[["]', 2)
    (True, False)
    """
    if json.count(b"[") + json.count(b"{") <= levels:
        return False
    brackets = _STRING.sub(b"", json).translate(_TO_SQUARE, _NO_BRACKET)
    for _ in range(levels):
        # Each pass takes away every innermost pair: one level.
        brackets = brackets.replace(b"[]", b"")
    return bool(brackets)
