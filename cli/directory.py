"""The state directory: what must outlive the processes of one machine, used by one `jobworker up` at a time."""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from jobworker.cli.errors import Failed


def make_directory(path: Path) -> None:
    """Make a state directory where none is. Raises OSError."""
    # Others have no business with payloads and results.
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    ignored = path / ".gitignore"
    if not ignored.exists():
        ignored.write_text("*\n")


class StateDirectory:
    """Holds the lock of `up` on the directory, which is made when it is missing.

    The lock ends with the process that took it, however that ends: a killed run hinders nobody.
    """

    def __init__(self, path: Path, owner_pid: int) -> None:
        self.path = path.absolute()
        self._owner_pid = owner_pid
        with self._complaints():
            make_directory(self.path)
            self._lock = os.open(self.path / "up.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self) -> bool:
        """Take the lock, and leave word who has it; return whether it was free. Raises Failed."""
        with self._complaints():
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            os.ftruncate(self._lock, 0)
            os.pwrite(self._lock, str(self._owner_pid).encode(), 0)
            return True

    def owner(self) -> str:
        """Return the pid of who has it, as left there."""
        return os.pread(self._lock, 20, 0).decode()

    def owner_lives(self) -> bool:
        """Return whether that process lives; when it was killed, its parts may need a moment to end."""
        return Path("/proc", self.owner() or "unknown").exists()

    def close(self) -> None:
        """Give it up."""
        os.close(self._lock)

    @contextmanager
    def _complaints(self) -> Generator[None, None, None]:
        try:
            yield
        except OSError as error:
            raise Failed(
                f"the state directory {self.path} cannot be used: {error.strerror}; --state-dir names another"
            ) from None
