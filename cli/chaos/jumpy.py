"""A command of ours whose wall clock can be set: `python -m jobworker.cli.chaos.jumpy CLOCK COMMAND…`.

Linux has one wall clock for all processes, and setting it needs root. So `time.time` and `time.time_ns` add what stands
in a file that is shared with whoever lets the clock jump; workers, being forked, jump along. What reads the clock in C
(`datetime.now`) does not.
"""

import mmap
import sys
import time
from pathlib import Path

#: One signed number of nanoseconds.
SIZE_BYTES = 8


def make_clock(path: Path) -> None:
    """Make a clock that goes right."""
    path.write_bytes(bytes(SIZE_BYTES))


def set_clock(path: Path, ahead_seconds: float) -> None:
    """Let the clock go ahead, or behind, by so much from now on."""
    with path.open("r+b") as file:
        file.write(round(ahead_seconds * 1e9).to_bytes(SIZE_BYTES, sys.byteorder, signed=True))


def follow_clock(path: Path) -> None:
    """Make the wall clock of this process follow the file."""
    with path.open("rb") as file:
        shared = mmap.mmap(file.fileno(), SIZE_BYTES, access=mmap.ACCESS_READ)
    right_ns = time.time_ns

    def time_ns() -> int:
        return right_ns() + int.from_bytes(shared[:], sys.byteorder, signed=True)

    time.time_ns = time_ns
    time.time = lambda: time_ns() / 1e9


if __name__ == "__main__":
    _, clock, *arguments = sys.argv
    follow_clock(Path(clock))
    # Only now: whoever takes `time.time` at its import takes ours.
    from jobworker.cli.main import main

    main(arguments)
