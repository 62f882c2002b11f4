"""Clients that wait for the end of a job, on one API process: `python -m benchmarks.http.waiting [CLIENTS]`.

A ping beside them on a connection of its own; then their ten jobs end, and each client is to be answered.
"""

import resource
import socket
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from typing import Final

import psutil

from benchmarks.rig import api, request
from benchmarks.rows import Row, main, timings
from benchmarks.server import server
from benchmarks.watch import until
from jobworker.store.ids import new_job_id
from jobworker.store.job import NewJob

COUNT: Final = 5000
JOBS: Final = 10
PINGS: Final = 500


def measure(clients: int) -> Iterator[Row]:
    """Yield pings alone and beside those who wait, and how soon after the ends of their jobs all were answered."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with server() as on, api(on, "--processes=1") as (running, connection), ExitStack() as opened:
        alone = _ping(connection)
        jobs = [new_job_id() for _ in range(JOBS)]
        on.store.enqueue([NewJob(job, "nobody-runs-this") for job in jobs])
        waiting = [opened.enter_context(_wait(connection.port, jobs[number % JOBS])) for number in range(clients)]
        until(lambda: on.store.ends.settled_among(jobs) == [])
        # The last of them has been parked when nothing is left to do for the process.
        until(lambda: _is_idle(running))
        yield timings("http waiting: ping alone", alone)
        beside = f"http waiting: ping beside {clients:,} clients"
        yield timings(
            beside, _ping(connection), against="alone", base=statistics.median(alone), asked="p99 under 10 ms"
        )
        began, used = time.monotonic(), _cpu_seconds(running)
        for job in jobs:
            on.store.cancel(job)
        answered = sum(_is_answered(one) for one in waiting)
        took, used = time.monotonic() - began, _cpu_seconds(running) - used
        missing = "" if answered == clients else f"{clients - answered} clients were not answered"
        detail = f"{used:.2f} s of CPU"
        yield Row("http waiting: all answered", took, "s", detail, asked="under 3 s", failure=missing)


def _wait(port: int, job: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=60)
    connection.sendall(f"GET /jobs/{job}?wait=60 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return connection


def _is_idle(running: psutil.Popen) -> bool:
    return running.cpu_percent(0.2) < 5


def _cpu_seconds(running: psutil.Popen) -> float:
    times = running.cpu_times()
    return times.user + times.system


def _is_answered(connection: socket.socket) -> bool:
    data = connection.recv(65536)
    return data.startswith(b"HTTP/1.1 200 ") and b'"status":"cancelled"' in data


def _ping(connection: HTTPConnection) -> list[float]:
    """Return how long each took, in ms."""
    times: list[float] = []
    for _ in range(PINGS):
        began = time.perf_counter()
        request(connection, "GET", "/livez")
        times.append(1000 * (time.perf_counter() - began))
    return times


if __name__ == "__main__":
    main(measure, COUNT)
