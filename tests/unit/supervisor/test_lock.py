"""The lock of a name: who holds it, and what its file proves."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobworker.supervisor.errors import LockHeld, SupervisorError
from jobworker.supervisor.lock import NameLock

#: Takes the lock, says so, and holds it until its stdin ends.
HOLDER = """
import sys
from pathlib import Path
from jobworker.supervisor.lock import NameLock
lock = NameLock.acquire(Path(sys.argv[1]), "one")
print(lock.id, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def locks(tmp_path: Path) -> Iterator["Locks"]:
    taken = Locks(tmp_path)
    yield taken
    taken.release()


class Locks:
    """Takes locks of one name, one after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "one.lock"
        self._held: list[NameLock] = []

    def take(self) -> NameLock:
        self._held.append(NameLock.acquire(self.folder, "one"))
        return self._held[-1]

    def release(self) -> None:
        while self._held:
            os.close(self._held.pop().descriptor)


def test_the_first_has_no_predecessor(locks: Locks) -> None:
    lock = locks.take()
    assert lock.proofs == []
    assert locks.file.read_text() == f"{os.getpid()} {lock.id}"
    assert locks.file.stat().st_mode & 0o777 == 0o600


def test_the_next_holds_the_proof_that_the_first_is_dead(locks: Locks) -> None:
    first = locks.take()
    first.registered()
    locks.release()
    second = locks.take()
    assert second.proofs == [first.id]
    assert second.id != first.id


def test_the_proof_outlives_a_successor_that_died_before_it_registered(locks: Locks) -> None:
    first = locks.take()
    first.registered()
    locks.release()
    second = locks.take()
    locks.release()
    assert locks.take().proofs == [second.id, first.id]


def test_once_registered_the_old_proofs_are_gone(locks: Locks) -> None:
    locks.take()
    locks.release()
    second = locks.take()
    second.registered()
    assert locks.file.read_text() == f"{os.getpid()} {second.id}"


def test_many_starts_that_never_registered_are_borne(locks: Locks) -> None:
    for _ in range(300):
        lock = locks.take()
        locks.release()
    assert locks.take().proofs[0] == lock.id


def test_rubbish_in_the_file_is_borne(locks: Locks) -> None:
    locks.file.write_bytes(b"\xff\x00 what \n is this")
    assert locks.take().proofs == ["what", "is", "this"]


def test_a_living_holder_is_named_at_once(tmp_path: Path) -> None:
    with _holder(tmp_path) as holder:
        with pytest.raises(LockHeld, match=f"^name one is in use by pid {holder.pid} on this host$"):
            NameLock.acquire(tmp_path, "one")
        NameLock.acquire(tmp_path, "two")


def test_a_killed_holder_that_nobody_has_reaped_yet_is_dead(tmp_path: Path, locks: Locks) -> None:
    with _holder(tmp_path) as holder:
        copy = os.open(locks.file, os.O_RDWR)
        holder.kill()
        os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)
        assert locks.take().proofs
        os.close(copy)


def test_what_a_dead_holder_left_is_waited_for_then_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locks: Locks
) -> None:
    monkeypatch.setattr("jobworker.supervisor.lock.PATIENCE_SECONDS", 0.05)
    descriptor = os.open(locks.file, os.O_RDWR | os.O_CREAT)
    os.write(descriptor, b"99999999 some-id")
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(LockHeld, match=r"the dead supervisor one \(pid 99999999\) left still run$"):
        NameLock.acquire(tmp_path, "one")
    os.close(descriptor)


def test_a_folder_that_cannot_be_one_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SupervisorError, match=r"^the state directory .*/file cannot be used: .+$"):
        NameLock.acquire(tmp_path / "file", "one")


def test_the_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    lock = NameLock.acquire(tmp_path / "a" / "b", "one")
    assert (tmp_path / "a" / "b" / "one.lock").exists()
    os.close(lock.descriptor)


def test_the_descriptor_is_not_inherited_through_exec(locks: Locks) -> None:
    assert not os.get_inheritable(locks.take().descriptor)


def _holder(folder: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", HOLDER, str(folder)]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline()
    return holder
