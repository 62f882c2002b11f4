"""Deposits into a ledger in SQLite: a job may run any number of times, its effect happens once."""

import sqlite3
import time
from contextlib import closing

from msgspec import Struct

from jobworker.handlers import Job, handler

#: Before the deposit is entered, and between that and the report: so long there is something to shoot at.
WORK_SECONDS = 0.05

SCHEMA = """
CREATE TABLE IF NOT EXISTS attempts (job TEXT NOT NULL, token INTEGER NOT NULL, PRIMARY KEY (job, token));
CREATE TABLE IF NOT EXISTS entries (job TEXT PRIMARY KEY, token INTEGER, account TEXT, amount INTEGER);
"""


class Deposit(Struct):
    """What comes into which account, and the file of the ledger."""

    ledger: str
    account: str
    amount: int


class Outdated(Exception):
    """A later attempt has begun: this one was taken for dead, and must not write any more."""


# A job that is shot again and again shall not be given up.
@handler("ledger.deposit", timeout=60, max_crashes=1000)
def deposit(payload: Deposit, job: Job) -> int:
    """Enter a deposit, and return what is in the account then."""
    with closing(open_ledger(payload.ledger)) as ledger:
        begin(ledger, job)
        time.sleep(WORK_SECONDS)
        enter(ledger, payload, job)
        time.sleep(WORK_SECONDS)
        return balance(ledger, payload.account)


def open_ledger(file: str) -> sqlite3.Connection:
    """Open the ledger, and make it if it is not there; each statement is a transaction but where one is begun."""
    ledger = sqlite3.connect(file, timeout=30, isolation_level=None)
    ledger.execute("PRAGMA journal_mode = WAL")
    # Not `executescript`, which does not wait for the lock.
    for statement in SCHEMA.strip().splitlines():
        ledger.execute(statement)
    return ledger


def begin(ledger: sqlite3.Connection, job: Job) -> None:
    """Write down that this attempt has begun: what an earlier one still wants to enter is refused from now on."""
    ledger.execute("INSERT INTO attempts VALUES (?, ?)", (job.id, job.fencing_token))


def enter(ledger: sqlite3.Connection, payload: Deposit, job: Job) -> None:
    """Enter the deposit unless it is there. Raises Outdated."""
    # One transaction: nobody can begin between the look and the entry.
    ledger.execute("BEGIN IMMEDIATE")
    with ledger:
        (newest,) = ledger.execute("SELECT max(token) FROM attempts WHERE job = ?", (job.id,)).fetchone()
        if newest > job.fencing_token:
            raise Outdated(f"attempt {job.attempt} is not the last one of job {job.id}")
        # The job's id is the key: an attempt that comes after one which was killed before its report changes nothing.
        row = (job.id, job.fencing_token, payload.account, payload.amount)
        ledger.execute("INSERT INTO entries VALUES (?, ?, ?, ?) ON CONFLICT (job) DO NOTHING", row)


def balance(ledger: sqlite3.Connection, account: str) -> int:
    """Return the sum of what was entered."""
    (amount,) = ledger.execute("SELECT sum(amount) FROM entries WHERE account = ?", (account,)).fetchone()
    return int(amount or 0)
