"""`jobworker up` as its users meet it: over HTTP, by signals, and by what it leaves on the machine."""

import http.client
import re
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Self

import msgspec
import psutil

from tests.support.reply import Reply
from tests.support.up import Up
from tests.support.waiting import wait_until

HANDLERS: Final = Path(__file__).with_name("up_handlers.py")
# One process of the API: several hear each for itself, within half a second, that Redis is back.
_OPTIONS: Final = ("--handlers", str(HANDLERS), "--handlers", "jobworker.handlers.builtin.trial", "--processes", "1")
_ENDED: Final = {"succeeded", "failed", "cancelled", "expired"}
_JSON: Final = {"Content-Type": "application/json"}


class UpProcess(Up):
    """A whole jobworker with the handlers of these tests; `directory/state` outlives it."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        directory.mkdir(exist_ok=True)
        super().__init__(directory, "--state-dir", str(directory / "state"), *_OPTIONS, *arguments)

    def ready(self) -> Self:
        """Wait until it says that it is up, and jobs are taken and run.

        Its word is needed: what dies before is a start that failed, what dies later is started again.
        """
        super().ready()
        wait_until(self.takes_and_runs_jobs)
        return self

    def takes_and_runs_jobs(self) -> bool:
        with suppress(OSError, http.client.HTTPException):
            reply = self.get("/readyz")
            return reply.status == 200 and not any("no supervisor" in warning for warning in reply.json["warnings"])
        return False

    def get(self, path: str) -> Reply:
        return self.request("GET", path)

    def post(self, path: str, body: object = None) -> Reply:
        """Post a JSON value; None: no body at all."""
        return self.request("POST", path) if body is None else self.request("POST", path, msgspec.json.encode(body))

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Ask on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, headers or ({} if body is None else _JSON))
            response = connection.getresponse()
            return Reply(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def raw(self, data: bytes) -> bytes:
        """Send bytes; return everything until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(data)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def job(self, job_id: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.get(f"/jobs/{job_id}").json
        return answer

    def wait_for_end(self, job_id: str, timeout_seconds: float = 20) -> dict[str, Any]:
        """Return the job once it has ended."""
        wait_until(lambda: self.job(job_id)["status"] in _ENDED, timeout_seconds)
        return self.job(job_id)

    def run_job(self, type_: str, payload: Any = None, **options: Any) -> dict[str, Any]:
        """Submit a job and return it once it has ended."""
        return self.wait_for_end(self.submit(type_, payload, **options))

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing is started within the block."""
        assert self.post("/jobs/pause").status == 200
        try:
            yield
        finally:
            assert self.post("/jobs/resume").status == 200

    @property
    def heart(self) -> psutil.Process:
        """The process that owns the parts and starts them again."""
        [only] = psutil.Process(self.process.pid).children()
        return only

    @property
    def supervisor(self) -> psutil.Process:
        return self._part(r"jobworker(\.cli)? supervisor")

    @property
    def api(self) -> psutil.Process:
        return self._part(r"jobworker\.cli api")

    @property
    def server(self) -> psutil.Process:
        return self._part("-server ")

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self.signal(signal.SIGINT)

    def _part(self, pattern: str) -> psutil.Process:
        [only] = [part for part in self.heart.children() if re.search(pattern, " ".join(part.cmdline()))]
        return only


def processes_in(directory: Path) -> list[psutil.Process]:
    """Return the living processes that work in the directory or below it; each of ours does, and all they start."""
    return [process for process in psutil.process_iter() if _works_in(process, directory)]


def _works_in(process: psutil.Process, directory: Path) -> bool:
    try:
        return Path(process.cwd()).is_relative_to(directory)
    except (psutil.Error, OSError):
        return False
