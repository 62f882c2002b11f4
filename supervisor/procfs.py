"""What /proc tells of a process, read with as little as that takes."""

import os
from typing import Final

PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
#: Where /proc/PID/stat has the resident pages, counted from the state.
RSS_PAGES: Final = 21


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


def read_pss(pid: int) -> int | None:
    """Return the resident bytes of a process, what it shares divided by who shares it; None when nobody may know."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:  # noqa: PTH123 - as above
            lines = file.read().splitlines()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        # Another user's, or gone.
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(b"Pss:")), None)
