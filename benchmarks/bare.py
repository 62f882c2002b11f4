"""The bare script: what the same takes without us, in the fewest steps and in the same run. The ratios stand on it."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from typing import Final

from benchmarks.server import Server
from benchmarks.watch import lateness
from jobworker.store.claims import Claim, Settle, Wanted
from jobworker.store.connection import connect_wire
from jobworker.store.incarnation import Incarnation, Registration, Terms
from jobworker.store.job import Receipt
from jobworker.store.keys import Keys
from jobworker.store.states import Outcome

PYTHON: Final = (sys.executable, "-ISc")
#: Writes when it started, and stays.
_STAY: Final = "import time; print(time.monotonic_ns(), flush=True); time.sleep(600)"
_LEASE_MS: Final = 300_000


def kill(deadline_seconds: float) -> float:
    """Return how late a process dies that a parent kills after a plain sleep, in ms."""
    with subprocess.Popen([*PYTHON, "while True: pass"]) as hanging:
        due_ns = time.monotonic_ns() + round(deadline_seconds * 1e9)
        time.sleep(deadline_seconds)
        os.kill(hanging.pid, signal.SIGKILL)
        [late] = lateness([hanging.pid], due_ns)
    return late


def restart() -> float:
    """Return how long it takes from kill -9 of a process until its parent has a new one running, in ms."""
    with _staying() as first:
        _started_ns(first)
        killed_ns = time.monotonic_ns()
        first.kill()
        first.wait()
        with _staying() as second:
            started_ns = _started_ns(second)
            second.kill()
    return (started_ns - killed_ns) / 1e6


def exchange(on: Server, slots: int) -> float:
    """Claim and settle all jobs, `slots` in each call, in one loop without workers; return the seconds it took."""
    return asyncio.run(_exchange(on.url, slots))


async def _exchange(url: str, slots: int) -> float:
    caller = connect_wire(url, timeout_seconds=10)
    who = Registration(host="bare", pid=os.getpid(), version="", workers=slots)
    incarnation = await Incarnation.register(caller, Keys(), "bare", who, Terms(lease_ms=_LEASE_MS), lock_id="bare")
    wanted = [Wanted(worker) for worker in range(slots)]
    began = time.perf_counter()
    claims = (await incarnation.exchange(call := 1, [], wanted)).claims
    while claims:
        claims = (await incarnation.exchange(call := call + 1, [_succeeded(claim) for claim in claims], wanted)).claims
    elapsed_seconds = time.perf_counter() - began
    await incarnation.close()
    return elapsed_seconds


def _succeeded(claim: Claim) -> Settle:
    receipt = Receipt(wall_seconds=0.0001, cpu_user_seconds=0.0001, cpu_system_seconds=0.0)
    outcome = Outcome.SUCCEEDED
    return Settle(claim.id, claim.token, outcome, max_attempts=3, max_crashes=3, result=b"null", receipt=receipt)


def _staying() -> "subprocess.Popen[bytes]":
    return subprocess.Popen([*PYTHON, _STAY], stdout=subprocess.PIPE)


def _started_ns(process: "subprocess.Popen[bytes]") -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())
