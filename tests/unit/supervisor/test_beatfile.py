"""The beat file: whole at any time, and worth nothing after the machine has started anew."""

from pathlib import Path

import pytest

from jobworker.supervisor.beatfile import Beat, BeatFile
from jobworker.supervisor.board import boottime_ns


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "one.beat"


def beat(at_ns: int = 0, status: str = "serving") -> Beat:
    return Beat(4711, at_ns, redis=True, status=status)


def test_what_is_written_is_read(path: Path) -> None:
    BeatFile(path).write(beat())
    assert BeatFile(path).read() == beat()


def test_a_beat_replaces_the_last_and_leaves_nothing_else(path: Path) -> None:
    file = BeatFile(path)
    file.write(beat(1))
    file.write(beat(2))
    assert file.read() == beat(2)
    assert list(path.parent.iterdir()) == [path]


def test_a_reader_of_the_last_beat_is_not_disturbed_by_the_next(path: Path) -> None:
    file = BeatFile(path)
    file.write(beat(1))
    with path.open("rb") as last:
        file.write(beat(2, status="draining"))
        assert b"serving" in last.read()


@pytest.mark.parametrize("content", [None, b"", b'{"pid": 1', b"[]", b'{"pid": "one"}'])
def test_what_is_no_beat_is_none(path: Path, content: bytes | None) -> None:
    if content is not None:
        path.write_bytes(content)
    assert BeatFile(path).read() is None


def test_its_age_counts_from_when_it_was_written() -> None:
    assert 5 <= beat(boottime_ns() - 5_000_000_000).age_seconds < 6


def test_a_beat_from_before_the_machine_started_has_no_age() -> None:
    assert beat(boottime_ns() + 5_000_000_000).age_seconds < 0


def test_removed_it_is_gone_also_if_it_never_was(path: Path) -> None:
    file = BeatFile(path)
    file.write(beat())
    file.remove()
    file.remove()
    assert list(path.parent.iterdir()) == []
