"""Memory that a supervisor and one worker share: what must be known without a message."""

import math
import mmap
import struct
import time

from jobworker.store.limits import MAX_PROGRESS_CHARACTERS

_NUMBER = struct.Struct("=q")
_STARTED_AT = _NUMBER.size
_ENDED_AT = 2 * _NUMBER.size
_INTERRUPTED_AT = 3 * _NUMBER.size
_BASELINE = struct.Struct("=qqq")
_BASELINE_AT = 4 * _NUMBER.size
#: Where the progress is: the count of writes, fraction (not a number: none) and length of the message, the message, the
#: count again. UTF-8 takes four bytes for a character at most.
_PROGRESS = struct.Struct("=dh")
_BEGUN_AT = 1024
_PROGRESS_AT = _BEGUN_AT + _NUMBER.size
_MESSAGE_AT = _PROGRESS_AT + _PROGRESS.size
_WRITTEN_AT = _MESSAGE_AT + 4 * MAX_PROGRESS_CHARACTERS
#: Why the worker ends by itself: the length, then the text.
_LENGTH = struct.Struct("=h")
_WORDS_AT = _WRITTEN_AT + _NUMBER.size
_MAX_WORDS_BYTES = 500
#: Of which attempt the tasks are told, and the length of that; then the text, on the pages behind.
_TASKS_TOKEN_AT = _WORDS_AT + _LENGTH.size + _MAX_WORDS_BYTES
_COROUTINE_AT = _TASKS_TOKEN_AT + _NUMBER.size
_TASKS_LENGTH_AT = _COROUTINE_AT + _NUMBER.size
_TASKS_AT = mmap.PAGESIZE
MAX_TASKS_BYTES = 12 * 1024


def boottime_ns() -> int:
    """Return CLOCK_BOOTTIME: it goes on while the machine sleeps, as Redis's clock does."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Board:
    """Numbers and a progress, each written by one side only."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, _TASKS_AT + MAX_TASKS_BYTES)
        #: Of a progress, by this side.
        self._writes = 0

    def close(self) -> None:
        """Release it."""
        self._page.close()

    @property
    def fence_ns(self) -> int:
        """CLOCK_BOOTTIME after which no attempt may begin; written by the supervisor."""
        return int(_NUMBER.unpack_from(self._page, 0)[0])

    @fence_ns.setter
    def fence_ns(self, value: int) -> None:
        _NUMBER.pack_into(self._page, 0, value)

    @property
    def started_ns(self) -> int:
        """CLOCK_MONOTONIC at which the present attempt began; written by the worker."""
        return int(_NUMBER.unpack_from(self._page, _STARTED_AT)[0])

    @started_ns.setter
    def started_ns(self, value: int) -> None:
        _NUMBER.pack_into(self._page, _STARTED_AT, value)

    @property
    def ended_ns(self) -> int:
        """CLOCK_MONOTONIC at which a handler had ended and left processes, which are being ended; by the worker."""
        return int(_NUMBER.unpack_from(self._page, _ENDED_AT)[0])

    @ended_ns.setter
    def ended_ns(self, value: int) -> None:
        _NUMBER.pack_into(self._page, _ENDED_AT, value)

    @property
    def interrupted(self) -> int:
        """Token of the attempt whose soft timeout has passed; written by the supervisor."""
        return int(_NUMBER.unpack_from(self._page, _INTERRUPTED_AT)[0])

    @interrupted.setter
    def interrupted(self, token: int) -> None:
        _NUMBER.pack_into(self._page, _INTERRUPTED_AT, token)

    @property
    def baseline(self) -> tuple[int, int, int]:
        """What the worker had used when the present attempt began; written by the worker before `started_ns`.

        CPU time in user and in kernel mode, in µs, children included; the peak RSS of any child so far, in KiB.
        """
        return _BASELINE.unpack_from(self._page, _BASELINE_AT)

    @baseline.setter
    def baseline(self, value: tuple[int, int, int]) -> None:
        _BASELINE.pack_into(self._page, _BASELINE_AT, *value)

    @property
    def coroutine(self) -> int:
        """Token of the attempt whose coroutine runs, or has run last; written by the worker."""
        return int(_NUMBER.unpack_from(self._page, _COROUTINE_AT)[0])

    @coroutine.setter
    def coroutine(self, token: int) -> None:
        _NUMBER.pack_into(self._page, _COROUTINE_AT, token)

    def write_tasks(self, token: int, text: str) -> None:
        """Say where the tasks of an attempt are, in at most MAX_TASKS_BYTES; written by the worker, when asked."""
        told = text.encode(errors="replace")[:MAX_TASKS_BYTES]
        self._page[_TASKS_AT : _TASKS_AT + len(told)] = told
        _LENGTH.pack_into(self._page, _TASKS_LENGTH_AT, len(told))
        # Last: a kill may leave it half written.
        _NUMBER.pack_into(self._page, _TASKS_TOKEN_AT, token)

    def read_tasks(self, token: int) -> str | None:
        """Return what an attempt has written since they were forgotten; None: nothing yet."""
        if _NUMBER.unpack_from(self._page, _TASKS_TOKEN_AT)[0] != token:
            return None
        (length,) = _LENGTH.unpack_from(self._page, _TASKS_LENGTH_AT)
        return self._page[_TASKS_AT : _TASKS_AT + length].decode(errors="replace")

    def forget_tasks(self) -> None:
        """Let what is written from now on be new; called by the supervisor, before it asks."""
        _NUMBER.pack_into(self._page, _TASKS_TOKEN_AT, 0)

    @property
    def last_words(self) -> str:
        """Why the worker ended by itself, without a report; written by the worker, just before."""
        (length,) = _LENGTH.unpack_from(self._page, _WORDS_AT)
        begin = _WORDS_AT + _LENGTH.size
        return self._page[begin : begin + length].decode(errors="replace")

    @last_words.setter
    def last_words(self, words: str) -> None:
        text = words.encode(errors="replace")[:_MAX_WORDS_BYTES]
        begin = _WORDS_AT + _LENGTH.size
        self._page[begin : begin + len(text)] = text
        _LENGTH.pack_into(self._page, _WORDS_AT, len(text))

    def write_progress(self, fraction: float | None, message: str) -> None:
        """Say how far the present attempt is; written by the worker."""
        text = message[:MAX_PROGRESS_CHARACTERS].encode(errors="replace")
        self._writes += 1
        # The two counts differ while it is being written, and where a kill has left it half written.
        _NUMBER.pack_into(self._page, _BEGUN_AT, self._writes)
        _PROGRESS.pack_into(self._page, _PROGRESS_AT, math.nan if fraction is None else fraction, len(text))
        self._page[_MESSAGE_AT : _MESSAGE_AT + len(text)] = text
        _NUMBER.pack_into(self._page, _WRITTEN_AT, self._writes)

    def read_progress(self) -> tuple[float | None, str] | None:
        """Return fraction and message; None while there is none that is whole."""
        (ended,) = _NUMBER.unpack_from(self._page, _WRITTEN_AT)
        fraction, length = _PROGRESS.unpack_from(self._page, _PROGRESS_AT)
        text = self._page[_MESSAGE_AT : _MESSAGE_AT + length]
        (begun,) = _NUMBER.unpack_from(self._page, _BEGUN_AT)
        if not ended or begun != ended:
            return None
        return None if math.isnan(fraction) else fraction, text.decode(errors="replace")
