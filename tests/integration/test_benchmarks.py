"""Every measurement runs and tells what it is to tell; how fast this machine is, no test asks."""

import os
import subprocess
import sys
from typing import Final

import pytest

from benchmarks import drain
from benchmarks.__main__ import BY_NAME
from benchmarks.http import posts as http_posts
from benchmarks.peers import peer
from benchmarks.peers.peer import Peer
from benchmarks.rows import Row
from benchmarks.soak import soak
from benchmarks.soak.jobs import KINDS
from jobworker.store.sizing import usable_cpus

FLOOD, OTHERS = "a flood, ", "enqueue to end of others"

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("shared_server")]


IDLE = ("CPU of the supervisor", "wake-ups of the supervisor", "wake-ups of the workers")


#: By the measurement: how often, and the rows that it yields.
ROWS: Final[dict[str, tuple[int, list[str]]]] = {
    "kill": (1, ["loop", "regex", "stubborn", "tree", "tree, its last process"]),
    "cancel": (1, ["POST to the death of the tree"]),
    "hangs": (3, [f"3 trees, {what}" for what in ("the last dead", "each process", "lag of the loop")]),
    "idle": (2, [f"8 workers, {what}" for what in IDLE]),
    "recovery": (1, ["running again after kill -9"]),
    "failover": (1, [f"running again {where}" for where in ("elsewhere", "under the same name")]),
    "schedule": (2, ["due to start"]),
    "pickup": (1, ["POST to start", "enqueue to start"]),
    "posts": (1, ["1 API process", f"{max(2, len(usable_cpus()))} API processes"]),
    "startup": (1, ["jobworker --help", "supervisor to registered", "up to first accepted POST"]),
    "memory": (1, ["supervisor, 2 workers, spare", "supervisor alone", "API"]),
    "drain": (40, [f"{n} workers{whose}" for n in (2, 32) for whose in ("", *drain.COSTS)]),
    "http_waiting": (20, ["ping alone", "ping beside 20 clients", "all answered"]),
    "output": (40, ["drain, 2 workers", "a receipt", f"{FLOOD}supervisor grows by", f"{FLOOD}{OTHERS}"]),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_measurement_yields_its_rows(name: str) -> None:
    count, names = ROWS[name]
    rows: list[Row] = list(BY_NAME[name].measure(count))
    assert [row.what.partition(": ")[2] for row in rows] == names
    assert all(row.value is not None for row in rows)


def test_every_measurement_is_tried() -> None:
    assert {*ROWS, "soak", "http_posts", "peer"} == set(BY_NAME)


def test_posts_are_measured_beside_bare_falcon_also_where_fastapi_cannot_be_had(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Peer, "python", lambda _: None)
    rows = list(http_posts.measure(1))
    assert [row.what for row in rows] == ["http posts: ours, 1 process", "http posts: ours beside falcon on waitress"]
    assert all(row.value and row.base for row in rows[1:])


def test_after_a_short_soak_all_jobs_have_ended_and_nothing_has_grown() -> None:
    rows = list(soak.measure(8))
    assert [row.failure for row in rows if row.failure] == []
    assert rows[0].value is not None
    assert rows[0].value > len(KINDS)


@pytest.mark.skipif("JOBWORKER_TEST_PEERS" not in os.environ, reason="JOBWORKER_TEST_PEERS=1 installs and runs them")
@pytest.mark.parametrize("one", peer.PEERS, ids=lambda one: one.name)
def test_a_peer_yields_rows_to_compare(one: peer.Peer) -> None:
    rows = list(one.measure(1))
    assert "drain: 2 workers" in {row.what.partition(": ")[2] for row in rows}


def test_the_command_for_all_explains_itself() -> None:
    command = [sys.executable, "-m", "benchmarks", "--help"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "--markdown" in said


def test_a_part_is_printed_as_the_page_would_have_it() -> None:
    command = [sys.executable, "-m", "benchmarks", "--scale=0.01", "--markdown", "--only", "cancel"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "| cancel: POST to the death of the tree | " in said
