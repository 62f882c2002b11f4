"""Start-up: `python -m benchmarks.startup [ROUNDS]`.

Each from the start of the process: `jobworker --help` until it has ended, `jobworker supervisor` until it has
registered (its first worker has imported the handlers then), `jobworker up` until it has taken a POST.
"""

import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Final

from benchmarks.rig import JOBWORKER, answers, supervisor
from benchmarks.rows import Row, main, timings
from benchmarks.server import process, scratch, server
from benchmarks.watch import until
from jobworker.cli.address import free_port

COUNT: Final = 10
#: The command as its users have it.
COMMAND: Final = Path(sysconfig.get_path("scripts"), "jobworker")


def measure(rounds: int) -> Iterator[Row]:
    """Yield a row for each."""
    base = timings("", [_timed(_run_nothing) for _ in range(rounds)]).value
    for what, start, asked in (
        ("start-up: jobworker --help", _help, "under 100 ms"),
        ("start-up: supervisor to registered", _supervisor, ""),
        ("start-up: up to first accepted POST", _up, "under 3 s"),
    ):
        yield timings(what, [start() for _ in range(rounds)], against="python -c pass", base=base, asked=asked)


def _run_nothing() -> None:
    subprocess.run([sys.executable, "-c", "pass"], check=True)


def _help() -> float:
    return _timed(lambda: subprocess.run([COMMAND, "--help"], check=True, stdout=subprocess.DEVNULL))


def _supervisor() -> float:
    with server() as on:
        began = time.perf_counter()
        with supervisor(on, 2):
            return _milliseconds_since(began)


def _up() -> float:
    port = free_port()
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    options = (f"--listen=127.0.0.1:{port}", "--state-dir=.", "--log-level=error")
    with scratch() as folder:
        began = time.perf_counter()
        # It says on stderr that it drains.
        with process([*JOBWORKER, "up", *options], folder, subprocess.DEVNULL):
            until(lambda: answers(connection, "POST", "/jobs"))
            elapsed = _milliseconds_since(began)
            connection.close()
    return elapsed


def _timed(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return _milliseconds_since(began)


def _milliseconds_since(began: float) -> float:
    return 1000 * (time.perf_counter() - began)


if __name__ == "__main__":
    main(measure, COUNT)
