"""The output of a job as answers show it: its bytes with a line where something is left out, or JSON."""

import codecs
from collections.abc import Sequence
from typing import Protocol

import msgspec

from jobworker.api.schemas import LogItem
from jobworker.api.views import format_instant
from jobworker.store.log import LogPiece


class LogText(Protocol):
    """Turns output into what is sent, as it comes."""

    def render(self, pieces: Sequence[LogPiece]) -> bytes:
        """Return what is to be sent for these pieces, which follow those given before."""
        ...

    def finish(self) -> bytes:
        """Return what was held back, for nothing more comes."""
        ...


class PlainText:
    """The bytes as they were printed, and lines of ours between them."""

    def __init__(self) -> None:
        self._at_line_start = True
        self._attempt: int | None = None

    def render(self, pieces: Sequence[LogPiece]) -> bytes:
        """Return them, with a line of its own where something is left out, and where another attempt begins."""
        return b"".join(map(self._render, pieces))

    def finish(self) -> bytes:
        """Return nothing: nothing is held back."""
        return b""

    def _render(self, piece: LogPiece) -> bytes:
        gap = f"… {piece.left_out:,} bytes left out …\n" if piece.left_out else ""
        mark = f"--- attempt {piece.attempt}\n" if self._attempt not in (None, piece.attempt) else ""
        line_end = "\n" if (gap or mark) and not self._at_line_start else ""
        self._attempt = piece.attempt
        shown = f"{line_end}{gap}{mark}".encode() + piece.data
        self._at_line_start = shown.endswith(b"\n")
        return shown


class LogItems:
    """Pieces as items of JSON.

    A character that two pieces share belongs to the second; what is no UTF-8 is replaced.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._last: LogItem | None = None

    def items(self, pieces: Sequence[LogPiece]) -> list[LogItem]:
        """Return the items of pieces that follow those given before."""
        return [item for piece in pieces for item in self._items(piece)]

    def rest(self) -> list[LogItem]:
        """Return what was held back, for nothing more follows."""
        held, text = self._held_bytes, self._decoder.decode(b"", final=True)
        last, self._last = self._last, None
        if not text or last is None:
            return []
        return [msgspec.structs.replace(last, at=last.next, next=last.next + held, left_out=0, text=text)]

    def _items(self, piece: LogPiece) -> list[LogItem]:
        # Behind a gap, or in another attempt, no character goes on.
        cut = self._last is not None and (piece.left_out > 0 or piece.attempt != self._last.attempt)
        rest = self.rest() if cut else []
        at = piece.at - self._held_bytes
        text = self._decoder.decode(piece.data)
        end = piece.at + len(piece.data) - self._held_bytes
        self._last = LogItem(at, end, piece.left_out, format_instant(piece.read_ms), piece.attempt, text)
        return [*rest, self._last]

    @property
    def _held_bytes(self) -> int:
        return len(self._decoder.getstate()[0])


class JsonLines:
    """The items, each on a line."""

    def __init__(self) -> None:
        self._items = LogItems()

    def render(self, pieces: Sequence[LogPiece]) -> bytes:
        """Return a line for each piece."""
        return _lines(self._items.items(pieces))

    def finish(self) -> bytes:
        """Return a line for half a character at the very end."""
        return _lines(self._items.rest())


def _lines(items: Sequence[LogItem]) -> bytes:
    return b"".join(msgspec.json.encode(item) + b"\n" for item in items)
