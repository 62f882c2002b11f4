"""What /proc tells of a process, read with as little as that takes."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

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


class Signals(Struct, frozen=True):
    """What a process does with signals: bit n - 1 is the signal n."""

    caught: int = 0
    #: By its first thread.
    blocked: int = 0

    def catches(self, number: int) -> bool:
        """Whether it handles a signal itself."""
        return bool(self.caught >> (number - 1) & 1)

    def blocks(self, number: int) -> bool:
        """Whether a signal has to wait."""
        return bool(self.blocked >> (number - 1) & 1)


def read_signals(pid: int) -> Signals:
    """Return what a process does with signals; with none at all when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_bytes()
    except OSError:
        return Signals()
    found = dict(line.split(b":", 1) for line in status.splitlines() if line.startswith((b"SigCgt:", b"SigBlk:")))
    return Signals(int(found[b"SigCgt"], 16), int(found[b"SigBlk"], 16))


def read_pss(pid: int) -> int | None:
    """Return the resident bytes of a process, what it shares divided by who shares it; None when nobody may know."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_bytes().splitlines()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        # Another user's, or gone.
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(b"Pss:")), None)
