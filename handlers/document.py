"""JSON documents: what they are made of, and how deeply they are nested, told before anything recurses into them."""

from itertools import accumulate
from typing import Final, TypeAlias

Json: TypeAlias = "dict[str, Json] | list[Json] | tuple[Json, ...] | str | float | None"

#: An opening bracket becomes the signed byte 1, a closing one -1.
_STEPS: Final = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_NEITHER_BRACKET_NOR_QUOTE: Final = bytes(set(range(256)) - set(b'[]{}"'))


def deeper_than(document: bytes, limit: int) -> bool:
    """Tell whether arrays and objects are nested more than `limit` deep.

    Parsers recurse, and a handler module that raises the recursion limit turns a deep document into a
    segmentation fault; so the brackets are counted as bytes.
    """
    if document.count(b"[") + document.count(b"{") <= limit:
        return False
    steps = memoryview(_steps_outside_strings(document)).cast("b")
    return max(accumulate(steps), default=0) > limit


def _steps_outside_strings(document: bytes) -> bytes:
    unescaped = document.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in document else document
    marks = unescaped.translate(_STEPS, _NEITHER_BRACKET_NOR_QUOTE)
    return b"".join(marks.split(b'"')[::2])
