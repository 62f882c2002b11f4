"""`jobworker up` as a user runs it, in a directory and on a port of its own."""

import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from jobworker.cli.address import free_port
from jobworker.cli.http import ApiClient
from jobworker.store.settings import ClientSettings
from tests.support.command import Command, clean_environment
from tests.support.waiting import wait_until


class Up(Command):
    """Everything on this machine; drained by `drain`, else killed at the end of the block."""

    def __init__(
        self,
        directory: Path,
        *arguments: str,
        environ: Mapping[str, str] | None = None,
        output: int | None = None,
        prefix: Sequence[str] = (),
    ) -> None:
        self.directory = directory
        self.port = free_port()
        command = [*prefix, sys.executable, "-P", "-m", "jobworker.cli", "up", "--listen", f"127.0.0.1:{self.port}"]
        self.url = f"http://127.0.0.1:{self.port}"
        self.client = ApiClient(ClientSettings(url=self.url))
        super().__init__([*command, "--workers", "2", *arguments], directory, environ, output)

    def __exit__(self, *_: object) -> None:
        parts = self.descendants() if self.process.poll() is None else []
        super().__exit__()
        self.client.close()
        # Killed, it has its parts hurry; the next test must not meet them.
        for part in parts:
            part.wait(20)

    def ready(self) -> Self:
        """Wait until it says that it is up."""
        self.wait_for("jobworker is up")
        return self

    def part(self, words: str) -> int:
        """Return the pid of the part whose command line holds the words."""
        pids = [process.pid for process in self.descendants() if words in " ".join(process.cmdline())]
        assert pids, f"no part like {words!r}"
        return pids[0]

    def submit(self, type_: str, payload: Any = None, **options: Any) -> str:
        """Submit a job; return its id."""
        return str(self.client.post("/jobs", {"type": type_, "payload": payload, **options})["id"])

    def wait_for_status(self, job_id: str, status: str, timeout_seconds: float = 20) -> dict[str, Any]:
        """Wait until a job has the status; return the job."""
        wait_until(lambda: self.client.get_job(job_id)["status"] == status, timeout_seconds)
        return self.client.get_job(job_id)

    def drain(self) -> int:
        """Ask it to stop; return its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(40)

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a client command against it."""
        return subprocess.run(
            [sys.executable, "-P", "-m", "jobworker.cli", *arguments],
            cwd=self.directory,
            env=clean_environment(JOBWORKER_CLIENT_URL=self.url),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
