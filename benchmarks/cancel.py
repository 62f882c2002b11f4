"""Cancel: `python -m benchmarks.cancel [ROUNDS]`.

A job that runs, with a child that has cut all ties, is cancelled through the API on a kept connection: from just before
the request until the last process of its tree is dead.
"""

import time
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Final

from benchmarks.rig import api, request, rig
from benchmarks.rows import Row, main, timings
from benchmarks.server import Server
from benchmarks.watch import lateness, lines

COUNT: Final = 50
PROCESSES: Final = 4
ASKED: Final = "under 100 ms"


def measure(rounds: int) -> Iterator[Row]:
    """Yield how soon the trees are dead."""
    with rig() as running, api(running) as (_, connection):
        base = timings("", [_get(connection) for _ in range(rounds)]).value
        dead = [_cancel(running, connection, number) for number in range(rounds)]
        yield timings("cancel: POST to the death of the tree", dead, against="GET /livez", base=base, asked=ASKED)


def _cancel(running: Server, connection: HTTPConnection, number: int) -> float:
    path = running.folder / f"cancel-{number}"
    job_id = running.submit("hang", {"how": "tree", "started": str(path)}, timeout_seconds=60)
    pids = [int(line[0]) for line in lines(path, PROCESSES)]
    asked_ns = time.monotonic_ns()
    request(connection, "POST", f"/jobs/{job_id}/cancel", {})
    latest = max(lateness(pids, asked_ns))
    assert running.wait(job_id).status == "cancelled"
    return latest


def _get(connection: HTTPConnection) -> float:
    began_ns = time.monotonic_ns()
    request(connection, "GET", "/livez")
    return (time.monotonic_ns() - began_ns) / 1e6


if __name__ == "__main__":
    main(measure, COUNT)
