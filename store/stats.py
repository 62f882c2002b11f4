"""What attempts came to and cost, summed by type: of each minute for a day, of each hour for thirty days."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import redis
from msgspec import Struct

from jobworker.store.connection import translated
from jobworker.store.job import Receipt
from jobworker.store.keys import Keys
from jobworker.store.scripts import Argument
from jobworker.store.states import Outcome

MINUTE_SECONDS: Final = 60
HOUR_SECONDS: Final = 3600
#: How many minutes, or hours, the two answers go back: the present one, which has just begun, is one of them.
MINUTES: Final = 60
HOURS: Final = 24
#: Stands for all types beyond those that have sums of their own; no type can bear this name (limits.NAME).
OTHER_TYPES: Final = "*"

_OUTCOMES: Final = frozenset(Outcome)


class Sums(Struct):
    """Of the attempts of one type; times in µs."""

    type: str
    #: Outcome -> how many attempts came to it.
    outcomes: dict[str, int] = {}
    wall_us: int = 0
    cpu_user_us: int = 0
    cpu_system_us: int = 0
    #: The greatest of all; 0: none was told.
    peak_rss_bytes: int = 0

    @property
    def runs(self) -> int:
        """How many attempts there were."""
        return sum(self.outcomes.values())

    def count(self, outcome: Outcome, receipt: Receipt | None) -> None:
        """Add one attempt; one that has no receipt cost nothing that is known."""
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        if receipt is not None:
            self.wall_us += int(receipt.wall_seconds * 1e6)
            self.cpu_user_us += int(receipt.cpu_user_seconds * 1e6)
            self.cpu_system_us += int(receipt.cpu_system_seconds * 1e6)
            self.peak_rss_bytes = max(self.peak_rss_bytes, receipt.peak_rss_bytes or 0)

    def arguments(self) -> list[Argument]:
        """Return what `lua/tally.lua` takes of one type."""
        figures: dict[str, int] = {
            **self.outcomes,
            "wall_us": self.wall_us,
            "cpu_user_us": self.cpu_user_us,
            "cpu_system_us": self.cpu_system_us,
        }
        flat: list[Argument] = [item for figure in figures.items() for item in figure]
        return [self.type, self.peak_rss_bytes, len(figures), *flat]

    def merge(self, figure: str, value: int) -> None:
        """Take in one field that `lua/tally.lua` has written; what another version writes is passed over."""
        if figure in _OUTCOMES:
            self.outcomes[figure] = self.outcomes.get(figure, 0) + value
        elif figure == "peak_rss_bytes":
            self.peak_rss_bytes = max(self.peak_rss_bytes, value)
        elif figure in ("wall_us", "cpu_user_us", "cpu_system_us"):
            setattr(self, figure, getattr(self, figure) + value)


class Period(Struct, frozen=True):
    """The sums of some time until now, by name of the type."""

    since_ms: int
    until_ms: int
    types: list[Sums]


class Stats:
    """The sums, to be read. Every method raises StoreUnavailable when Redis is away."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    def read(self) -> tuple[Period, Period]:
        """Return the sums of the last hour and of the last day, by Redis's clock."""
        # redis-py's reply is not typed.
        client: Any = self._client
        with translated():
            seconds, microseconds = client.time()
        now_ms = seconds * 1000 + microseconds // 1000
        minutes = _last(seconds // MINUTE_SECONDS, MINUTES)
        hours = _last(seconds // HOUR_SECONDS, HOURS)
        # Each on its own: of many types one hash is long enough for Redis.
        of_minutes = self._merge(map(self._keys.stats_minute, minutes))
        of_hours = self._merge(map(self._keys.stats_hour, hours))
        return (
            Period(minutes[0] * MINUTE_SECONDS * 1000, now_ms, of_minutes),
            Period(hours[0] * HOUR_SECONDS * 1000, now_ms, of_hours),
        )

    def _merge(self, names: Iterable[str]) -> list[Sums]:
        types: dict[str, Sums] = {}
        for fields in self._ask(names):
            _merge_into(types, fields)
        return [types[name] for name in sorted(types)]

    def _ask(self, names: Iterable[str]) -> Iterator[Any]:
        # redis-py's pipelines are not typed.
        client: Any = self._client
        with translated(), client.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.hgetall(name)
            yield from pipeline.execute()


def merge_fields(fields: Mapping[bytes, bytes]) -> list[Sums]:
    """Return what a hash of sums holds, by name of the type."""
    types: dict[str, Sums] = {}
    _merge_into(types, fields)
    return [types[name] for name in sorted(types)]


def _merge_into(types: dict[str, Sums], fields: Mapping[bytes, bytes]) -> None:
    for field, value in fields.items():
        type_name, _, figure = field.decode().rpartition(":")
        if type_name:
            types.setdefault(type_name, Sums(type_name)).merge(figure, int(value))


def _last(present: int, count: int) -> Sequence[int]:
    return range(present - count + 1, present + 1)
