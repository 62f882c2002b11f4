"""A real API process for tests, on a loopback port of its own choice."""

import http.client
import queue
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Thread
from typing import Any

import msgspec

from jobworker.store.settings import ApiSettings, RedisSettings, Settings
from tests.support.mortal import mortal
from tests.support.reply import Reply

PROGRAM = """
import sys, msgspec, structlog
from jobworker.api.server import serve
from jobworker.store.settings import Settings

shape = [structlog.processors.add_log_level, structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
# A line is one write: several processes write into the same pipe.
structlog.configure(processors=shape, logger_factory=structlog.WriteLoggerFactory())
serve(msgspec.json.decode(sys.argv[1], type=Settings))
"""


class ApiProcess:
    """One API process; its log lines are JSON objects on its stdout."""

    def __init__(self, redis: str | RedisSettings, **api: Any) -> None:
        plain = {"listen": "127.0.0.1:0", "processes": 1}
        where = RedisSettings(url=redis) if isinstance(redis, str) else redis
        settings = Settings(redis=where, api=ApiSettings(**{**plain, **api}))
        command = [sys.executable, "-u", "-c", PROGRAM, msgspec.json.encode(settings).decode()]
        self.process = subprocess.Popen(mortal(command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.log: list[str] = []
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = Thread(target=self._read_log)
        self._reader.start()

    def wait_until_listening(self) -> None:
        self.port: int = self.wait_for_log("listening")["port"]

    def wait_for_log(self, event: str, timeout_seconds: float = 20) -> dict[str, Any]:
        """Return the next line of the log whose event begins so."""
        while True:
            line = self._lines.get(timeout=timeout_seconds)
            assert line is not None, f"no {event!r} in the log:\n{''.join(self.log)}"
            if line.startswith("{"):
                entry: dict[str, Any] = msgspec.json.decode(line)
                if entry["event"].startswith(event):
                    return entry

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Ask on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, headers or ({"Content-Type": "application/json"} if body else {}))
            response = connection.getresponse()
            return Reply(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def post(self, path: str, body: Any) -> Reply:
        """Post a JSON body."""
        return self.request("POST", path, msgspec.json.encode(body))

    def connect(self) -> socket.socket:
        """Return a bare connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def raw(self, data: bytes) -> bytes:
        """Send bytes; return everything until the server closes."""
        with self.connect() as connection:
            connection.sendall(data)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """Return the exit code when the process has ended."""
        return self.process.wait(20)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _read_log(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.log.append(line)
            self._lines.put(line)
        self._lines.put(None)


@contextmanager
def running_api(redis: str | RedisSettings, **api: Any) -> Iterator[ApiProcess]:
    """Run an API that listens, until the end of the block; `redis`: the URL of its server, or all there is to say."""
    process = ApiProcess(redis, **api)
    try:
        process.wait_until_listening()
        yield process
    finally:
        process.close()
