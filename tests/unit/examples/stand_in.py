"""A stand-in for the API: it runs each job at once, and says so at the second question."""

import json
import uuid
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from jobworker.handlers import testing
from jobworker.handlers.registry import Registry

Answer = dict[str, Any]


class StandIn:
    """Owns a server on a free port and the jobs that it was given."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        #: The bodies of the jobs, by id.
        self.jobs: dict[str, Answer] = {}
        self.asked: Counter[str] = Counter()
        self.connections = 0
        #: What requests are answered before any is taken in earnest: a status, or 0 for a broken connection.
        self.troubles: list[int] = []
        #: Files whose jobs fail.
        self.failing: set[str] = set()
        self.hanging_outcome = "timed_out"
        self._server = _Server(self)
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def take(self, body: Answer) -> Answer:
        job_id = str(uuid.uuid4())
        self.jobs[job_id] = body
        return {"id": job_id, "status": "pending"}

    def show(self, job_id: str) -> Answer:
        self.asked[job_id] += 1
        if self.asked[job_id] == 1:
            return {"status": "running", "result": None, "run_seconds": None, "attempts": []}
        body = self.jobs[job_id]
        if body["type"] == "metrics.naive":
            return _failed(self.hanging_outcome, 1.004)
        if body["payload"]["path"] in self.failing:
            return _failed("raised", 0.01)
        result = testing.run(body["type"], body["payload"], registry=self.registry)
        return {"status": "succeeded", "result": result, "run_seconds": 0.02, "attempts": []}


class _Server(ThreadingHTTPServer):
    """Knows whom its requests are for."""

    def __init__(self, stand_in: StandIn) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.stand_in = stand_in


class _Handler(BaseHTTPRequestHandler):
    """Reads and writes HTTP."""

    protocol_version = "HTTP/1.1"
    # Head and body go out together: two small writes would wait 40 ms for each other.
    wbufsize = -1
    server: _Server

    def setup(self) -> None:
        self.server.stand_in.connections += 1
        super().setup()

    def do_POST(self) -> None:
        assert self.headers["Content-Type"] == "application/json"
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self.has_trouble():
            self.answer(202, self.server.stand_in.take(body))

    def do_GET(self) -> None:
        assert "Content-Type" not in self.headers
        assert "Content-Length" not in self.headers
        if not self.has_trouble():
            self.answer(200, self.server.stand_in.show(self.path.removeprefix("/jobs/")))

    def has_trouble(self) -> bool:
        """Answer with the next trouble, if one was ordered."""
        if not self.server.stand_in.troubles:
            return False
        status = self.server.stand_in.troubles.pop(0)
        if status:
            self.answer(status, {"detail": "the type is unknown; known are echo, sleep"})
        self.close_connection = not status
        return True

    def answer(self, status: int, document: Answer) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def _failed(outcome: str, seconds: float) -> Answer:
    return {
        "status": "failed",
        "result": None,
        "run_seconds": seconds,
        "error": {"type": outcome, "message": f"the message of {outcome}"},
        "attempts": [{"outcome": outcome}],
    }
