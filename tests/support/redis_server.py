"""A real Redis-compatible server for tests, on a Unix socket and a loopback port of its own."""

import os
import signal
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from jobworker.cli.address import free_port
from jobworker.cli.embedded import find_server
from tests.support.mortal import mortal
from tests.support.waiting import wait_until


class RedisServer:
    """One server process; `kill`, `stop`, `resume` and `start` make the faults that tests need."""

    def __init__(self, directory: Path, *, options: tuple[str, ...] = ()) -> None:
        self.directory = directory
        self.port = free_port()
        self.options = options
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self.launch()
        self.wait_until_ready()

    def launch(self, *options: str) -> None:
        """Start it without waiting until it answers."""
        program = find_server()
        assert program is not None
        command = [
            *(str(program), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.directory)),
            *("--save", "", "--appendonly", "yes", "--appendfsync", "always", "--daemonize", "no"),
            *(*self.options, *options),
        ]
        with (self.directory / "server.log").open("ab") as log:
            self.process = subprocess.Popen(mortal(command), stdout=log, stderr=log, cwd=self.directory)

    def kill(self) -> None:
        """Kill it as a crash would (kill -9)."""
        self._end(signal.SIGKILL)

    def close(self) -> None:
        if self.process is not None:
            self.resume()
            self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """Make it a black hole: connections are accepted by the kernel, nothing is answered."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGCONT)

    def wait_until_ready(self) -> None:
        # The server tells nobody that it is ready but those who ask.
        deadline = time.monotonic() + 20
        while True:
            try:
                with redis.Redis(port=self.port, socket_timeout=5, retry=Retry(NoBackoff(), 0)) as client:
                    client.ping()
            except redis.exceptions.ConnectionError:
                assert self.process is not None
                assert self.process.poll() is None, (self.directory / "server.log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.005)
            else:
                return

    def _end(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        self.process.wait()
        self.process = None


@contextmanager
def running_replica(primary: RedisServer, directory: Path) -> Generator[RedisServer]:
    """Run a replica that is in step, until the end of the block."""
    directory.mkdir()
    with redis.Redis(port=primary.port) as client:
        # It waits for more of them before it begins to copy.
        client.config_set("repl-diskless-sync-delay", "0")
        replica = RedisServer(directory, options=("--replicaof", "127.0.0.1", str(primary.port)))
        replica.start()
        try:
            wait_until(lambda: client.info("replication").get("slave0", {}).get("state") == "online")
            yield replica
        finally:
            replica.close()
