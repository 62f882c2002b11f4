"""A server of our own and a supervisor on it, for the time of a measurement."""

import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from jobworker.cli.embedded import find_server
from jobworker.store.errors import StoreError
from jobworker.store.ids import new_job_id
from jobworker.store.job import JobRecord, NewJob
from jobworker.store.jobs import JobStore
from jobworker.store.retention import Retention

HANDLERS = (str(Path(__file__).with_name("handlers.py")), "jobworker.handlers.builtin.trial")


class Rig:
    """What a measurement works with."""

    def __init__(self, folder: Path, workers: int) -> None:
        self.folder = folder
        self.url = f"unix://{folder}/s"
        program = find_server()
        if program is None:
            sys.exit("no redis-server, valkey-server or extra `embedded`")
        self._server = subprocess.Popen(
            [program, "--port", "0", "--unixsocket", "s", "--save", "", "--appendonly", "yes", "--dir", str(folder)],
            cwd=folder,
            stdout=subprocess.DEVNULL,
        )
        self.store = JobStore.connect(self.url, timeout_seconds=2, prefix="jobworker", retention=Retention())
        self._wait_for(self._is_writable)
        options = [f"--handlers={module}" for module in HANDLERS]
        state = f"--state-dir={folder}"
        self.supervisor = subprocess.Popen(
            [
                *(sys.executable, "-m", "jobworker.cli", "supervisor", f"--redis={self.url}", state),
                *(f"--workers={workers}", "--log-level=error", *options),
            ]
        )
        self._wait_for(lambda: bool(self.store.fleet.supervisors()))

    def submit(self, kind: str, payload: object, *, timeout_seconds: float = 60, max_attempts: int = 1) -> str:
        """Enqueue a job and return its id."""
        job_id = new_job_id()
        timeout_ms = round(1000 * timeout_seconds)
        body = msgspec.json.encode(payload)
        self.store.enqueue([NewJob(job_id, kind, payload=body, timeout_ms=timeout_ms, max_attempts=max_attempts)])
        return job_id

    def wait(self, job_id: str) -> JobRecord:
        """Return the job when it has ended."""
        self._wait_for(lambda: self.store.get(job_id).ended)
        return self.store.get(job_id)

    def lines(self, path: Path, count: int) -> list[list[str]]:
        """Return the words of the lines in `path` when there are at least `count`."""
        self._wait_for(lambda: path.exists() and path.read_text().count("\n") >= count)
        return [line.split() for line in path.read_text().splitlines()]

    def close(self) -> None:
        """End the supervisor, then the server."""
        for process in (self.supervisor, self._server):
            process.send_signal(signal.SIGTERM)
            process.wait()

    def _is_writable(self) -> bool:
        try:
            self.store.check_writable()
        except StoreError:
            return False
        return True

    def _wait_for(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            if time.monotonic() > deadline:
                sys.exit("gave up waiting")
            time.sleep(0.001)


@contextmanager
def rig(workers: int = 2) -> Iterator[Rig]:
    """Start everything in a fresh folder, and end and remove it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="jobworker-bench-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    running = Rig(folder, workers)
    try:
        yield running
    finally:
        running.close()
        shutil.rmtree(folder, ignore_errors=True)


def figures(name: str, milliseconds: list[float]) -> str:
    """Return one row of a table: least, median, 99th percentile, most."""
    ordered = sorted(milliseconds)
    last = len(ordered) - 1
    least, median, p99, most = ordered[0], ordered[last // 2], ordered[round(0.99 * last)], ordered[-1]
    return f"{name:<28} n={len(ordered):<4} min {least:7.2f}  median {median:7.2f}  p99 {p99:7.2f}  max {most:7.2f} ms"
