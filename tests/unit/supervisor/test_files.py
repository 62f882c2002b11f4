from pathlib import Path

from jobworker.supervisor.files import beat_file, lock_file


def test_lock_and_beat_bear_the_name() -> None:
    assert lock_file(Path("state"), "one.two") == Path("state/one.two.lock")
    assert beat_file(Path("state"), "one.two") == Path("state/one.two.beat")
