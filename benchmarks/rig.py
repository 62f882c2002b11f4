"""A supervisor and an API on a server, for the time of a block."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil

from benchmarks.server import Server, process, server
from benchmarks.watch import until
from jobworker.cli.address import free_port

JOBWORKER: Final = (sys.executable, "-P", "-m", "jobworker.cli")
HANDLERS: Final = (str(Path(__file__).with_name("handlers.py")), "jobworker.handlers.builtin.trial")


@contextmanager
def rig(workers: int = 2) -> Iterator[Server]:
    """Run a server with a supervisor on it."""
    with server() as running, supervisor(running, workers):
        yield running


@contextmanager
def supervisor(on: Server, workers: int, *more: str) -> Iterator[psutil.Popen]:
    """Run a supervisor with the handlers of the measurements; it is registered when the block begins."""
    options = (f"--redis={on.url}", "--state-dir=.", f"--workers={workers}", "--spares=1", "--log-level=error")
    # Workers are killed here more often than a type may crash, and than they may die in one place.
    patient = ("--supervisor-type-max-crashes=1000", "--supervisor-max-restarts=1000")
    handlers = [f"--handlers={module}" for module in HANDLERS]
    with process([*JOBWORKER, "supervisor", *options, *patient, *handlers, *more], on.folder) as running:
        until(on.store.fleet.supervisors)
        yield running


@contextmanager
def api(on: Server, *more: str) -> Iterator[tuple[psutil.Popen, HTTPConnection]]:
    """Run the API; the connection to it is open when the block begins."""
    port = free_port()
    options = (f"--redis={on.url}", f"--listen=127.0.0.1:{port}", "--log-level=error", *more)
    with process([*JOBWORKER, "api", *options], on.folder) as running:
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        until(lambda: answers(connection, "GET", "/livez"))
        yield running, connection
        connection.close()


def answers(connection: HTTPConnection, method: str, path: str) -> bool:
    """Return whether somebody listens, and does not refuse."""
    try:
        request(connection, method, path)
    except OSError:
        connection.close()
        return False
    return True


def request(connection: HTTPConnection, method: str, path: str, body: object = None) -> Any:
    """Ask on a kept connection; return the JSON that is answered. Raises ConnectionRefusedError for a refusal too."""
    data = None if body is None else msgspec.json.encode(body)
    connection.request(method, path, data, {} if data is None else {"Content-Type": "application/json"})
    response = connection.getresponse()
    answer = response.read()
    if response.status >= 300:
        raise ConnectionRefusedError(f"{method} {path}: {response.status} {answer.decode()}")
    return msgspec.json.decode(answer)
