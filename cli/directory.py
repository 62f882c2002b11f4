"""The state directory: what must outlive the processes of one machine, used by one `jobworker up` at a time."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from jobworker.cli.errors import Failed


class StateDirectory:
    """Holds the lock of `up` on the directory, which is made when it is missing.

    The lock ends with the process, however that ends: a killed run hinders nobody.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock: int | None = None

    def __enter__(self) -> Self:
        """Take the directory. Raises Failed."""
        try:
            self._make()
            self._lock = os.open(self.path / "up.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._take(self._lock)
        except OSError as error:
            raise Failed(
                f"the state directory {self.path} cannot be used: {error.strerror}; --state-dir names another"
            ) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Give it up."""
        if self._lock is not None:
            os.close(self._lock)

    def _make(self) -> None:
        # Others have no business with payloads and results.
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        ignored = self.path / ".gitignore"
        if not ignored.exists():
            ignored.write_text("*\n")

    def _take(self, lock: int) -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(lock, 20, 0).decode()
            raise Failed(f"jobworker up is already running in {self.path} (pid {pid})") from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
