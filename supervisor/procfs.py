"""What /proc tells of a process, read with as little as that takes."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
#: Where /proc/PID/stat has the resident pages, counted from the state.
RSS_PAGES: Final = 21
#: Where it has the controlling terminal; 0: none.
_TERMINAL: Final = 4
#: Where it has the session's id.
SESSION: Final = 3


def read_stat(pid: int | str) -> bytes | None:
    """Return the line /proc/PID/stat from the state on; None when the process is gone or hidden from us."""
    try:
        descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        # Hidden by the mount option hidepid: another user's, and none of our workers'.
        return None
    try:
        data = os.read(descriptor, 1024)
    except ProcessLookupError:
        return None
    finally:
        os.close(descriptor)
    # The command's name stands in parentheses and may hold anything: the last one closes it.
    return data[data.rindex(b")") + 2 :]


def read_all() -> Iterator[tuple[int, bytes]]:
    """Yield the pid and the `read_stat` of every process of this host that is neither gone nor hidden from us."""
    for name in os.listdir("/proc"):
        if name.isdecimal() and (stat := read_stat(name)) is not None:
            yield int(name), stat


def has_terminal() -> bool:
    """Whether a terminal controls this process: one that has hung up does no longer."""
    stat = read_stat("self")
    return stat is not None and stat.split()[_TERMINAL] != b"0"


def catches(pid: int, number: int) -> bool:
    """Whether a process handles a signal itself; False when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_bytes()
    except OSError:
        return False
    line = next(line for line in status.split(b"\n") if line.startswith(b"SigCgt:"))
    return bool(int(line.split()[1], 16) >> (number - 1) & 1)


def read_pss(pid: int) -> int | None:
    """Return the resident bytes of a process, what it shares divided by who shares it; None when nobody may know."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_bytes().splitlines()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        # Another user's, or gone.
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(b"Pss:")), None)
