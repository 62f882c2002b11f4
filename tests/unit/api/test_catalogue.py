"""The copy of the catalogue."""

import pytest

from jobworker.api.catalogue import Catalogue
from jobworker.store.catalogue import HandlerEntry
from jobworker.store.errors import StoreUnavailable


class Source:
    """Counts how often Redis is read, at a time of the test's choice."""

    def __init__(self, *names: str) -> None:
        self.names = list(names)
        self.reads = 0
        self.now = 100.0
        self.error: StoreUnavailable | None = None
        self.catalogue = Catalogue(self.read, clock=lambda: self.now)

    def read(self) -> dict[str, HandlerEntry]:
        self.reads += 1
        if self.error:
            raise self.error
        return {name: HandlerEntry(type=name, schema={}) for name in self.names}

    def knows(self, name: str) -> bool:
        return self.catalogue.find(name) is not None


def test_a_known_type_is_read_once_a_second() -> None:
    source = Source("echo")
    for source.now in (100.0, 100.5, 101.0):
        assert source.knows("echo")
    assert source.reads == 1
    source.now = 101.1
    assert source.knows("echo")
    assert source.reads == 2


def test_a_type_registered_just_now_counts() -> None:
    source = Source("echo")
    assert source.knows("echo")
    source.names.append("report")
    source.now += 0.3
    assert source.knows("report")


def test_a_flood_of_unknown_types_reaches_redis_five_times_a_second() -> None:
    source = Source("echo")
    for step in range(100):
        source.now = 100 + step / 100
        assert not source.knows(f"nope-{step}")
    assert source.reads == 5


def test_an_empty_catalogue_is_read_no_more_often() -> None:
    source = Source()
    assert not source.knows("echo")
    assert not source.knows("echo")
    assert source.catalogue.types() == []
    assert source.reads == 1


def test_types_are_sorted() -> None:
    assert Source("b", "c", "a").catalogue.types() == ["a", "b", "c"]


def test_a_failed_read_keeps_nothing_back() -> None:
    source = Source("echo")
    source.error = StoreUnavailable()
    with pytest.raises(StoreUnavailable):
        source.knows("echo")
    source.error = None
    assert source.knows("echo")
