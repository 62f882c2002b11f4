"""Submit deposits over HTTP, shoot workers and supervisors with SIGKILL meanwhile, and count what is in the ledger.

First, in another terminal on this machine:

    jobworker up --handlers examples/exactly_once/handlers.py \\
        --supervisor-type-max-crashes 1000 --supervisor-max-restarts 1000
"""

import argparse
import json
import os
import random
import signal
import socket
import sqlite3
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NoReturn

ACCOUNTS = ("alice", "bob", "carol")
#: Of so many shots one is at a supervisor, which takes its workers along.
SUPERVISOR_EVERY = 5
#: So many times in a row there was nobody to shoot at: all is done.
MOST_MISSES = 100
ENDED = {"succeeded", "failed", "cancelled", "expired"}


class Unreachable(Exception):
    """Nobody answers at the URL."""


class Api:
    """The API at a URL."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def ask(self, path: str, body: object = None) -> Any:
        """Return the answer to a GET, or to a POST of the body. Raises Unreachable."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            stop(1, f"{path}: {error.read().decode()}")
        except OSError as error:
            raise Unreachable(f"no answer from {self._url}: {error}") from error


class Shooter:
    """Kills with SIGKILL what runs jobs on this machine."""

    def __init__(self, api: Api) -> None:
        self._api = api
        #: How many were shot, by what they were.
        self.shot: Counter[str] = Counter()

    def shoot(self) -> bool:
        """Kill a worker that has a job, every now and then a supervisor; return whether there was one."""
        kind = "supervisor" if (self.shot.total() + 1) % SUPERVISOR_EVERY == 0 else "worker"
        pids = self._supervisors() if kind == "supervisor" else self._busy_workers()
        if not pids:
            return False
        try:
            os.kill(random.choice(pids), signal.SIGKILL)
        except ProcessLookupError:
            # Gone since we asked.
            return False
        self.shot[kind] += 1
        return True

    def _supervisors(self) -> list[int]:
        here = socket.gethostname()
        return [one["pid"] for one in self._api.ask("/supervisors")["items"] if one["host"] == here]

    def _busy_workers(self) -> list[int]:
        return [one["pid"] for one in self._api.ask("/workers")["items"] if one["job"]]


def submit(api: Api, ledger: Path, count: int) -> dict[str, int]:
    """Submit the deposits; return the amount of each job."""
    amounts: dict[str, int] = {}
    for number in range(count):
        payload = {"ledger": str(ledger), "account": ACCOUNTS[number % len(ACCOUNTS)], "amount": 1 + number % 100}
        job_id = api.ask("/jobs", {"type": "ledger.deposit", "payload": payload})["id"]
        amounts[job_id] = payload["amount"]
    return amounts


def shoot_all(shooter: Shooter, shots: int, pause_seconds: float) -> None:
    """Shoot so many times, unless nothing is left to shoot at."""
    misses = 0
    while shooter.shot.total() < shots and misses < MOST_MISSES:
        misses = 0 if shooter.shoot() else misses + 1
        time.sleep(pause_seconds)


def wait_for_all(api: Api, jobs: Sequence[str], pause_seconds: float) -> list[str]:
    """Return what each job has come to, when all have ended."""
    statuses: list[str] = []
    for job_id in jobs:
        while (status := api.ask(f"/jobs/{job_id}")["status"]) not in ENDED:
            time.sleep(pause_seconds)
        statuses.append(status)
    return statuses


def count_attempts(ledger: Path) -> tuple[int, int]:
    """Return how many attempts have begun, and how many of them after the deposit had been entered."""
    with closing(sqlite3.connect(ledger)) as connection:
        (begun,) = connection.execute("SELECT count(*) FROM attempts").fetchone()
        (late,) = connection.execute(
            "SELECT count(*) FROM attempts JOIN entries USING (job) WHERE attempts.token > entries.token"
        ).fetchone()
        return begun, late


def verdict(ledger: Path, amounts: dict[str, int], statuses: Sequence[str]) -> list[str]:
    """Return what went otherwise than intended."""
    with closing(sqlite3.connect(ledger)) as connection:
        entries = connection.execute("SELECT job, amount FROM entries").fetchall()
    surprises = [f"{count} jobs are {status}" for status, count in Counter(statuses).items() if status != "succeeded"]
    if dict(entries) != amounts:
        surprises.append(f"{len(amounts)} deposits were submitted, {len(entries)} are in the ledger, or others")
    if sum(amount for _, amount in entries) != sum(amounts.values()):
        surprises.append(f"the ledger says {sum(amount for _, amount in entries)}, not {sum(amounts.values())}")
    return surprises


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="the API (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=300, help="deposits to submit (default: %(default)s)")
    parser.add_argument("--shots", type=int, default=40, help="processes to shoot (default: %(default)s)")
    parser.add_argument("--pause", type=float, default=0.1, help="seconds between shots (default: %(default)s)")
    return parser.parse_args()


def stop(code: int, sentence: str) -> NoReturn:
    """End with one sentence."""
    print(sentence, file=sys.stderr)
    sys.exit(code)


def main() -> None:
    """Run the example."""
    options = arguments()
    api = Api(options.url)
    shooter = Shooter(api)
    with tempfile.TemporaryDirectory() as folder:
        ledger = Path(folder) / "ledger.sqlite"
        try:
            amounts = submit(api, ledger, options.jobs)
            shoot_all(shooter, options.shots, options.pause)
            statuses = wait_for_all(api, list(amounts), options.pause)
        except Unreachable as error:
            stop(3, f"{error}; start it: jobworker up --handlers examples/exactly_once/handlers.py")
        begun, late = count_attempts(ledger)
        surprises = verdict(ledger, amounts, statuses)
    print(f"shot with SIGKILL: {shooter.shot['worker']} workers, {shooter.shot['supervisor']} supervisors")
    print(f"deposits submitted: {len(amounts)}")
    print(f"attempts begun: {begun}, of these after the deposit had been entered: {late}")
    if surprises:
        stop(1, "\n".join(surprises))
    print(f"entries in the ledger: {len(amounts)}, each once")


if __name__ == "__main__":
    main()
