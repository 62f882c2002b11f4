"""The rules of the example's ledger: an entry a job, and none from an attempt that is not the last one."""

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest

from jobworker.handlers import Job, testing
from jobworker.handlers.loading import load
from jobworker.handlers.registry import Registry

FILE = Path(__file__).parents[3] / "examples" / "exactly_once" / "handlers.py"


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """The example's handlers, without the time they take."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    modules = dict(sys.modules)
    registry = Registry()
    load([str(FILE)], registry)
    monkeypatch.setattr(loaded(registry), "WORK_SECONDS", 0.0)
    yield registry
    for name in set(sys.modules) - set(modules):
        del sys.modules[name]


def loaded(registry: Registry) -> ModuleType:
    handler = registry.get("ledger.deposit")
    assert handler is not None
    return sys.modules[handler.function.__module__]


def attempt(token: int, job_id: str = "job-1") -> Job:
    return Job(
        id=job_id,
        type="ledger.deposit",
        queue="default",
        attempt=token,
        max_attempts=3,
        fencing_token=token,
        created_at=datetime.now(UTC),
    )


@pytest.fixture
def ledger(registry: Registry, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(loaded(registry).open_ledger(str(tmp_path / "ledger"))) as ledger:
        yield ledger


def entries(ledger: sqlite3.Connection) -> list[tuple[str, int]]:
    return ledger.execute("SELECT job, token FROM entries ORDER BY job").fetchall()


def test_a_deposit_returns_what_is_in_the_account_then(registry: Registry, tmp_path: Path) -> None:
    payload = {"ledger": str(tmp_path / "ledger"), "account": "alice", "amount": 7}
    assert [testing.run("ledger.deposit", payload, registry=registry) for _ in range(3)] == [7, 14, 21]


def test_a_job_enters_once_however_many_attempts_come_after(registry: Registry, ledger: sqlite3.Connection) -> None:
    example = loaded(registry)
    payload = example.Deposit("", "alice", 7)
    for token in (1, 2, 3):
        example.begin(ledger, attempt(token))
        example.enter(ledger, payload, attempt(token))
    example.begin(ledger, attempt(4, "job-2"))
    example.enter(ledger, payload, attempt(4, "job-2"))
    assert (entries(ledger), example.balance(ledger, "alice")) == ([("job-1", 1), ("job-2", 4)], 14)


def test_an_attempt_that_is_not_the_last_one_enters_nothing_and_blocks_nobody(
    registry: Registry, ledger: sqlite3.Connection
) -> None:
    example = loaded(registry)
    payload = example.Deposit("", "alice", 7)
    example.begin(ledger, attempt(1))
    example.begin(ledger, attempt(2))
    with pytest.raises(example.Outdated, match="attempt 1 is not the last one of job job-1"):
        example.enter(ledger, payload, attempt(1))
    assert entries(ledger) == []
    example.enter(ledger, payload, attempt(2))
    assert entries(ledger) == [("job-1", 2)]
