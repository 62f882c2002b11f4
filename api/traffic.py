"""What is asked of the API's processes, counted in memory that they share: whichever is asked tells of all."""

import mmap
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from http import HTTPStatus
from threading import Lock
from typing import Any, Final

from msgspec import Struct

#: Upper bounds of the histograms, in seconds; what took longer goes into one more.
BOUNDS_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
#: How many paths the table has room for, beside `UNMATCHED`.
MAX_PATHS: Final = 63
#: Stands for all paths that nobody serves, and for methods and statuses that are none of ours.
UNMATCHED: Final = "unmatched"
OTHER: Final = "other"

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", OTHER)
STATUSES: Final = (*(str(status.value) for status in HTTPStatus if status >= HTTPStatus.OK), OTHER)

_BUCKETS: Final = len(BOUNDS_SECONDS) + 1
#: A histogram is its buckets and the sum in µs: their total is no cell of its own, so a kill tears nothing apart.
_HISTOGRAM: Final = _BUCKETS + 1
#: Of one path and method: its statuses, its latency.
_ENTRY: Final = len(STATUSES) + _HISTOGRAM
_PATHS: Final = MAX_PATHS + 1
#: In front of the entries: requests in progress, the waiting time for a thread.
_HEAD: Final = 1 + _HISTOGRAM
_ROW: Final = _HEAD + _PATHS * len(METHODS) * _ENTRY
_CELL_BYTES: Final = 8

_METHOD_INDEX: Final = {method: index for index, method in enumerate(METHODS)}
_STATUS_INDEX: Final = {status: index for index, status in enumerate(STATUSES)}


class Histogram(Struct, frozen=True):
    """How many took how long: one count for each of BOUNDS_SECONDS and one beyond, not added up."""

    counts: list[int]
    sum_seconds: float

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(self.counts)


class Asked(Struct, frozen=True):
    """What was asked of one path by one method, of all processes."""

    path: str
    method: str
    #: Status -> how many answers; only where there were any.
    statuses: dict[str, int]
    latency: Histogram


class Traffic:
    """Owns the shared memory: a row of counters for each process, written by it alone and read by all.

    Made before the fork. A process that is started again goes on counting in the row of its predecessor.
    """

    def __init__(self, processes: int = 1) -> None:
        self._processes = processes
        # Nothing is taken of the machine before it is written.
        self._cells = memoryview(mmap.mmap(-1, processes * _ROW * _CELL_BYTES)).cast("Q")

    def row(self, number: int) -> "TrafficRow":
        """Return the counters of one process, to be written by it."""
        return TrafficRow(self, self._cells[number * _ROW : (number + 1) * _ROW])

    def in_progress(self) -> int:
        """How many requests are being served."""
        return self._sum(0)

    def waited(self) -> Histogram:
        """How long requests have waited for a thread."""
        return self._histogram(1)

    def asked(self, paths: Sequence[str]) -> Iterator[Asked]:
        """Yield what was asked of each path and method; `paths` in the order in which the rows know them."""
        for path_index, path in enumerate((UNMATCHED, *paths)):
            for method_index, method in enumerate(METHODS):
                start = _entry_at(path_index, method_index)
                statuses = {status: self._sum(start + index) for status, index in _STATUS_INDEX.items()}
                if any(statuses.values()):
                    found = {status: count for status, count in statuses.items() if count}
                    yield Asked(path, method, found, self._histogram(start + len(STATUSES)))

    def _histogram(self, start: int) -> Histogram:
        counts = [self._sum(start + bucket) for bucket in range(_BUCKETS)]
        return Histogram(counts, self._sum(start + _BUCKETS) / 1e6)

    def _sum(self, cell: int) -> int:
        return sum(self._cells[cell::_ROW][: self._processes])


class TrafficRow:
    """Owns the counters of one process.

    Told:   a request was answered (by the middleware); one is begun and ended (by whoever serves).
    """

    def __init__(self, traffic: Traffic, cells: "memoryview[int]") -> None:
        self.traffic = traffic
        self.paths: tuple[str, ...] = ()
        self._cells = cells
        self._index: dict[str | None, int] = {}
        # Threads take turns between the reading and the writing of a cell.
        self._lock = Lock()

    def name_paths(self, paths: Iterable[str]) -> None:
        """Say which paths there are; all processes must say the same."""
        self.paths = tuple(paths)
        assert len(self.paths) <= MAX_PATHS
        self._index = {path: index for index, path in enumerate(self.paths, start=1)}

    def answered(self, path: str | None, method: str, status: str, seconds: float, waited_seconds: float) -> None:
        """Count an answer. Whatever a client has made up has no row of its own."""
        entry = _entry_at(self._index.get(path, 0), _METHOD_INDEX.get(method, len(METHODS) - 1))
        with self._lock:
            self._cells[entry + _STATUS_INDEX.get(status, len(STATUSES) - 1)] += 1
            self._observe(entry + len(STATUSES), seconds)
            self._observe(1, waited_seconds)

    def _observe(self, start: int, seconds: float) -> None:
        self._cells[start + bisect_left(BOUNDS_SECONDS, seconds)] += 1
        self._cells[start + _BUCKETS] += max(0, int(seconds * 1e6))

    def around(self, application: Callable[..., Any]) -> Callable[..., Any]:
        """Return the WSGI application, counted while it is in progress."""
        # What a predecessor that was killed had in progress is over.
        self._cells[0] = 0

        def counted(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
            self._add_in_progress(1)
            try:
                return application(environ, start_response)
            finally:
                self._add_in_progress(-1)

        return counted

    def _add_in_progress(self, count: int) -> None:
        with self._lock:
            self._cells[0] += count


def _entry_at(path_index: int, method_index: int) -> int:
    return _HEAD + (path_index * len(METHODS) + method_index) * _ENTRY
