"""Every measurement runs and tells what it is to tell; how fast this machine is, no test asks."""

import os
import subprocess
import sys

import pytest

from benchmarks import (
    cancel,
    drain,
    failover,
    hangs,
    idle,
    kill,
    memory,
    output,
    pickup,
    posts,
    recovery,
    schedule,
    startup,
)
from benchmarks.peers import peer
from benchmarks.rows import Measure
from benchmarks.soak import soak
from benchmarks.soak.jobs import KINDS
from jobworker.store.sizing import usable_cpus

FLOOD, OTHERS = "a flood, ", "enqueue to end of others"

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("shared_server")]


IDLE = ("CPU of the supervisor", "wake-ups of the supervisor", "wake-ups of the workers")


@pytest.mark.parametrize(
    ("measure", "count", "names"),
    [
        (kill.measure, 1, ["loop", "regex", "stubborn", "tree", "tree, its last process"]),
        (cancel.measure, 1, ["POST to the death of the tree"]),
        (hangs.measure, 3, [f"3 trees, {what}" for what in ("the last dead", "each process", "lag of the loop")]),
        (idle.measure, 2, [f"8 workers, {what}" for what in IDLE]),
        (recovery.measure, 1, ["running again after kill -9"]),
        (failover.measure, 1, [f"running again {where}" for where in ("elsewhere", "under the same name")]),
        (schedule.measure, 2, ["due to start"]),
        (pickup.measure, 1, ["POST to start", "enqueue to start"]),
        (posts.measure, 1, ["1 API process", f"{max(2, len(usable_cpus()))} API processes"]),
        (startup.measure, 1, ["jobworker --help", "supervisor to registered", "up to first accepted POST"]),
        (memory.measure, 1, ["supervisor, 2 workers, spare", "supervisor alone", "API"]),
        (drain.measure, 40, [f"{n} workers{whose}" for n in (2, 32) for whose in ("", *drain.COSTS)]),
        (output.measure, 40, ["drain, 2 workers", "a receipt", f"{FLOOD}supervisor grows by", f"{FLOOD}{OTHERS}"]),
    ],
    ids=lambda value: value.__module__ if callable(value) else "",
)
def test_a_measurement_yields_its_rows(measure: Measure, count: int, names: list[str]) -> None:
    rows = list(measure(count))
    assert [row.what.partition(": ")[2] for row in rows] == names
    assert all(row.value is not None for row in rows)


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
