"""POST /jobs a second, one process of ours beside others that do no more: `python -m benchmarks.http.posts [ROUNDS]`.

Ours checks, completes and refuses; bare Falcon on waitress, and FastAPI on uvicorn, make the same call of Redis. Each
on one CPU and in turns on one server; the clients, two processes, have what is left.
"""

import json
import statistics
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.client import HTTPConnection
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final, NoReturn, cast

import redis

from benchmarks.http.call import ID, PAYLOAD
from benchmarks.peers.peer import ROOT, Peer
from benchmarks.posts import CLIENTS, CONNECTIONS, SECONDS, post
from benchmarks.rig import answers, api
from benchmarks.rows import Row, main
from benchmarks.server import ENVIRON, Server, process, server
from benchmarks.watch import until
from jobworker.cli.address import free_port
from jobworker.store.job import NewJob
from jobworker.store.jobs import JobStore
from jobworker.store.keys import Keys
from jobworker.store.retention import Retention
from jobworker.store.scripts import script

COUNT: Final = 5
FASTAPI: Final = Peer("fastapi", "fastapi==0.165.0 uvicorn[standard]==0.54.0 redis[hiredis]==8.1.0")
OURS: Final = "ours"
BARE: Final = "falcon on waitress"
FAST: Final = "fastapi on uvicorn"
#: What is asked of ours, by whom it is compared with.
ASKED: Final = {BARE: "at least 0.8 times", FAST: "more"}


class Recorder:
    """A client of Redis that sends nothing, and keeps the call that it was to make."""

    def evalsha(self, _digest: str, key_count: int, *values: Any) -> NoReturn:
        """Keep it."""
        raise Recorded(values[:key_count], values[key_count:])


class Recorded(Exception):
    """The call: its keys and its arguments."""

    def __init__(self, keys: tuple[Any, ...], arguments: tuple[Any, ...]) -> None:
        super().__init__()
        self.keys = list(keys)
        self.arguments = [one.decode() if isinstance(one, bytes) else one for one in arguments]


def measure(rounds: int) -> Iterator[Row]:
    """Yield the rate of each, ours first, and its ratio to each of the others."""
    python = FASTAPI.python()
    rates: dict[str, list[float]] = {name: [] for name in (OURS, BARE, *([FAST] if python else []))}
    with server() as on:
        (on.folder / "call.json").write_text(json.dumps(_call()))
        for _ in range(rounds):
            for name in rates:
                rates[name].append(_turn(on, name, python))
    medians = {name: statistics.median(each) for name, each in rates.items()}
    detail = f"n={rounds}, {CLIENTS} clients with {CONNECTIONS} connections each"
    for name, rate in medians.items():
        if name == OURS:
            yield Row("http posts: ours, 1 process", rate, "a second", detail)
        else:
            yield Row(f"http posts: ours beside {name}", medians[OURS], "a second", "", name, rate, ASKED[name])


def _call() -> dict[str, Any]:
    """Return the call of Redis that a POST without any wishes comes to."""
    store = JobStore(cast("redis.Redis", Recorder()), Keys(), Retention())
    try:
        store.enqueue([NewJob(ID, "echo", payload=PAYLOAD.encode(), timeout_ms=300_000, max_attempts=3)])
    except Recorded as call:
        return {"script": script("enqueue").source, "keys": call.keys, "arguments": call.arguments}
    raise AssertionError("enqueue made no call")


def _turn(on: Server, name: str, python: Path | None) -> float:
    with _serving(on, name, python) as port, get_context("spawn").Pool(CLIENTS) as clients:
        return sum(clients.map(post, [port] * CLIENTS)) / SECONDS


@contextmanager
def _serving(on: Server, name: str, python: Path | None) -> Iterator[int]:
    if name == OURS:
        with api(on, "--processes=1") as (_, connection):
            yield int(connection.port)
        return
    port = free_port()
    module = "benchmarks.http.bare" if name == BARE else "benchmarks.http.fast"
    program = str(sys.executable if name == BARE else python)
    command = [program, "-m", module, str(port), on.url, str(on.folder / "call.json")]
    with process(command, on.folder, environ={**ENVIRON, "PYTHONPATH": str(ROOT)}):
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        until(partial(answers, connection, "GET", "/jobs"))
        connection.close()
        yield port


if __name__ == "__main__":
    main(measure, COUNT)
