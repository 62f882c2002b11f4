"""A Redis-compatible server, and the processes that run on it, for the time of a block."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec
import psutil

from benchmarks.watch import until
from jobworker.cli.embedded import find_server
from jobworker.store.errors import StoreError
from jobworker.store.ids import new_job_id
from jobworker.store.job import JobRecord, NewJob
from jobworker.store.jobs import JobStore
from jobworker.store.retention import Retention

#: Settings of the caller's must not become settings of what is measured.
ENVIRON: Final = {name: value for name, value in os.environ.items() if not name.startswith("JOBWORKER_")}


class Server:
    """A server, the jobs on it, and a folder for everything that is written down."""

    def __init__(self, folder: Path, process: psutil.Process) -> None:
        self.folder = folder
        self.process = process
        self.url = f"unix://{folder}/s"
        self.store = JobStore.connect(self.url, timeout_seconds=2, prefix="jobworker", retention=Retention())

    def submit(self, kind: str, payload: object, *, timeout_seconds: float = 60) -> str:
        """Enqueue a job that is attempted once, and return its id."""
        job_id = new_job_id()
        timeout_ms = round(1000 * timeout_seconds)
        body = msgspec.json.encode(payload)
        self.store.enqueue([NewJob(job_id, kind, payload=body, timeout_ms=timeout_ms, max_attempts=1)])
        return job_id

    def wait(self, job_id: str, *, every_seconds: float = 0.001) -> JobRecord:
        """Return the job when it has ended."""
        until(lambda: self.store.get(job_id).ended, every_seconds=every_seconds)
        return self.store.get(job_id)

    def is_writable(self) -> bool:
        """Return whether it is up."""
        try:
            self.store.check_writable()
        except StoreError:
            return False
        return True


@contextmanager
def server() -> Iterator[Server]:
    """Run a server of our own, with an append-only file as `jobworker up` has it."""
    program = find_server()
    if program is None:
        sys.exit("no redis-server, valkey-server or extra `embedded`")
    options = ("--port", "0", "--unixsocket", "s", "--save", "", "--appendonly", "yes", "--dir", ".")
    with scratch() as folder, process([str(program), *options], folder) as running:
        found = Server(folder, running)
        until(found.is_writable)
        yield found
        found.store.close()


@contextmanager
def process(
    command: Sequence[str], folder: Path, stderr: int | None = None, environ: Mapping[str, str] = ENVIRON
) -> Iterator[psutil.Popen]:
    """Run a process in `folder`, and have it end, unless it has."""
    nothing = subprocess.DEVNULL
    running = psutil.Popen(command, cwd=folder, env=environ, stdin=nothing, stdout=nothing, stderr=stderr)
    try:
        yield running
    finally:
        with suppress(psutil.NoSuchProcess):
            running.terminate()
        running.wait()


@contextmanager
def scratch() -> Iterator[Path]:
    """Make a folder, in memory where that is possible, and remove it."""
    folder = Path(tempfile.mkdtemp(prefix="jobworker-bench-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
