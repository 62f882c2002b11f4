"""POST /jobs a second: `python -m benchmarks.posts [ROUNDS]`.

With one API process and with one for each CPU, in turns on one server. Clients are processes of their own that post
again on a kept connection as soon as they are answered.
"""

import select
import socket
import statistics
import time
from collections.abc import Iterator
from multiprocessing import get_context
from typing import Final

from benchmarks.rig import api
from benchmarks.rows import Row, main
from benchmarks.server import Server, server
from jobworker.store.sizing import usable_cpus

COUNT: Final = 5
SECONDS: Final = 3.0
CLIENTS: Final = 2
CONNECTIONS: Final = 16
POST: Final = (
    b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 41\r\n\r\n"
    b'{"priority": 5, "payload": {"a": [1, 2]}}'
)


def measure(rounds: int) -> Iterator[Row]:
    """Yield one process, then one for each CPU (at least two)."""
    counts = (1, max(2, len(usable_cpus())))
    turns: dict[int, list[float]] = {count: [] for count in counts}
    with server() as on:
        for _ in range(rounds):
            for count in counts:
                turns[count].append(_turn(on, count))
    one, several = (statistics.median(turns[count]) for count in counts)
    detail = f"n={rounds}, {CLIENTS} clients with {CONNECTIONS} connections each"
    yield Row("posts: 1 API process", one, "a second", detail)
    yield Row(f"posts: {counts[1]} API processes", several, "a second", detail, "1 process", one)


def _turn(on: Server, processes: int) -> float:
    with api(on, f"--processes={processes}") as (_, connection), get_context("spawn").Pool(CLIENTS) as clients:
        return sum(clients.map(post, [connection.port] * CLIENTS)) / SECONDS


def post(port: int) -> int:
    """Post on each connection as soon as it has been answered; return how many answers came in time."""
    connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS)]
    by_descriptor = {connection.fileno(): connection for connection in connections}
    poll = select.poll()
    received = dict.fromkeys(by_descriptor, b"")
    for descriptor, connection in by_descriptor.items():
        connection.sendall(POST)
        poll.register(descriptor, select.POLLIN)
    answers, end = 0, time.monotonic() + SECONDS
    while time.monotonic() < end:
        for descriptor, _ in poll.poll(100):
            received[descriptor] += by_descriptor[descriptor].recv(65536)
            # Some send the head by itself.
            if received[descriptor].endswith(b"}"):
                assert received[descriptor].startswith(b"HTTP/1.1 202 "), received[descriptor]
                received[descriptor] = b""
                by_descriptor[descriptor].sendall(POST)
                answers += 1
    return answers


if __name__ == "__main__":
    main(measure, COUNT)
