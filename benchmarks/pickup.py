"""Pickup: `python -m benchmarks.pickup [ROUNDS]`.

On an idle system, from just before a request until the first line of the handler: over HTTP on a kept connection,
and from an enqueue straight into Redis, which leaves the supervisor's share.
"""

import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from typing import Final

import msgspec

from benchmarks.rig import api, request, rig
from benchmarks.rows import Row, main, timings
from benchmarks.server import Server

COUNT: Final = 200
#: How long the system rests before each job; nobody looks at it meanwhile.
REST_SECONDS: Final = 0.05


def measure(rounds: int) -> Iterator[Row]:
    """Yield the whole way and the supervisor's share of it."""
    with rig() as running, api(running) as (_, connection):

        def post() -> str:
            job_id: str = request(connection, "POST", "/jobs", {"type": "bench.now"})["id"]
            return job_id

        http = timings("", [_get(connection) for _ in range(rounds)]).value
        posted = [_pick_up(running, post) for _ in range(rounds)]
        asked = "median under 5 ms"
        yield timings("pickup: POST to start", posted, against="GET /livez", base=http, asked=asked)
        known = running.submit("bench.now", None)
        redis = timings("", [_read(running, known) for _ in range(rounds)]).value
        enqueued = [_pick_up(running, lambda: running.submit("bench.now", None)) for _ in range(rounds)]
        yield timings("pickup: enqueue to start", enqueued, against="reading a job", base=redis)


def _pick_up(running: Server, submit: Callable[[], str]) -> float:
    time.sleep(REST_SECONDS)
    asked_ns = time.monotonic_ns()
    job_id = submit()
    time.sleep(REST_SECONDS)
    started_ns = msgspec.json.decode(running.wait(job_id).result or b"", type=int)
    return (started_ns - asked_ns) / 1e6


def _get(connection: HTTPConnection) -> float:
    began_ns = time.monotonic_ns()
    request(connection, "GET", "/livez")
    return (time.monotonic_ns() - began_ns) / 1e6


def _read(running: Server, job_id: str) -> float:
    began_ns = time.monotonic_ns()
    running.store.get(job_id)
    return (time.monotonic_ns() - began_ns) / 1e6


if __name__ == "__main__":
    main(measure, COUNT)
