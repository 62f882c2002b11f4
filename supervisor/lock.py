"""The lock of a supervisor's name on this host: whoever holds it knows that its predecessor is dead.

Workers inherit the descriptor, so the lock is free only when they are dead too.
"""

import fcntl
import os
import time
import uuid
from pathlib import Path
from typing import Final, Self

import psutil

from jobworker.supervisor.errors import LockHeld, SupervisorError
from jobworker.supervisor.files import lock_file

#: How long the workers of a supervisor that was killed may take to follow it.
PATIENCE_SECONDS: Final = 3.0


class NameLock:
    """A held lock. Its file lists the ids under which its holders registered, and who holds it."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        _, *ids = _read(descriptor)
        #: Ids of predecessors, which are dead.
        self.proofs: list[str] = ids
        self.id = uuid.uuid4().hex
        # The old ids stay until we have registered: dying in between must not lose the proof.
        self._write(self.id, *ids)

    @classmethod
    def acquire(cls, folder: Path, name: str) -> Self:
        """Take the lock. Raises LockHeld at once if a living process has it, SupervisorError if it cannot be made."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(lock_file(folder, name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SupervisorError(f"the state directory {folder} cannot be used: {error.strerror}") from None
        _lock(descriptor, name)
        return cls(descriptor)

    def registered(self) -> None:
        """Forget the proofs: Redis now knows our id."""
        self._write(self.id)

    def _write(self, *ids: str) -> None:
        text = " ".join([str(os.getpid()), *ids]).encode()
        os.pwrite(self.descriptor, text, 0)
        os.ftruncate(self.descriptor, len(text))
        os.fsync(self.descriptor)


def _lock(descriptor: int, name: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _read(descriptor)[0]
            if holder.isdecimal() and _lives(int(holder)):
                raise LockHeld(f"name {name} is in use by pid {holder} on this host") from None
            if time.monotonic() > deadline:
                why = f"processes that the dead supervisor {name} (pid {holder}) left still run"
                raise LockHeld(why) from None
            # A flock tells nobody when it is released; its last holders are dying.
            time.sleep(0.01)


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _read(descriptor: int) -> list[str]:
    return os.pread(descriptor, 4096, 0).decode(errors="replace").split() or [""]
