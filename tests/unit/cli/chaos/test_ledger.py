import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from jobworker.cli.chaos.handlers import TYPE, Work
from jobworker.cli.chaos.ledger import Entry, Event, Ledger, append, boottime_ms
from jobworker.handlers import testing

WRITERS, LINES = 4, 50


def entry(event: Event, *, worker_pid: int = 11, token: int = 1) -> Entry:
    return Entry(event, 1, "a", 1, token, worker_pid, 1, boottime_ms())


def _write(path: Path, pid: int) -> None:
    for token in range(LINES):
        append(path, entry("began", worker_pid=pid, token=token))
        append(path, entry("ended", worker_pid=pid, token=token))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger")


def test_a_run_is_what_stands_between_a_begin_and_an_end(ledger: Ledger) -> None:
    append(ledger.path, entry("began"))
    ledger.read()
    [run] = ledger.runs
    assert (run.ended_ms, ledger.under_way) == (None, {11: run})
    append(ledger.path, entry("ended"))
    ledger.read()
    assert ledger.runs == [run]
    assert run.ended_ms is not None
    assert not ledger.under_way


def test_a_run_that_failed_is_not_under_way_and_has_not_done_its_work(ledger: Ledger) -> None:
    append(ledger.path, entry("began"))
    append(ledger.path, entry("failed"))
    ledger.read()
    assert (ledger.runs[0].ended_ms, ledger.runs[0].is_over) == (None, True)
    assert not ledger.under_way


def test_half_a_line_is_read_when_it_is_whole(ledger: Ledger) -> None:
    line = msgspec.json.encode(entry("began")) + b"\n"
    for half, seen in ((line[:20], 0), (line[20:], 1)):
        with ledger.path.open("ab") as file:
            file.write(half)
        ledger.read()
        assert len(ledger.runs) == seen


def test_lines_of_many_writers_do_not_mix(ledger: Ledger) -> None:
    with ThreadPoolExecutor(WRITERS) as writers:
        list(writers.map(_write, [ledger.path] * WRITERS, range(WRITERS)))
    ledger.read()
    assert len(ledger.runs) == WRITERS * LINES
    assert not ledger.under_way


def test_the_handler_writes_down_that_it_began_and_ended(ledger: Ledger) -> None:
    testing.run(TYPE, {"ledger": str(ledger.path), "number": 7, "seconds": 0.0, "fails": False})
    ledger.read()
    [run] = ledger.runs
    assert (run.number, run.worker_pid, run.supervisor_pid) == (7, os.getpid(), os.getppid())
    assert run.ended_ms is not None


def test_the_handler_fails_at_first_if_it_is_to(ledger: Ledger) -> None:
    with pytest.raises(RuntimeError, match="as asked"):
        testing.run(TYPE, Work(str(ledger.path), 7, 0.0, fails=True))
    ledger.read()
    assert ledger.runs[0].ended_ms is None
