"""RQ (https://python-rq.org), a pool of 2 workers at its defaults: `python -m benchmarks.peers.rq FOLDER URL ROUNDS`.

It forks a process for each job and owns it, as we do. The kill is its `job_timeout`, recovery its `Retry`, which has
to be asked for.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from redis import Redis
from rq import Queue, Retry

from benchmarks.rows import Row, timings
from benchmarks.watch import lateness, lines

WORK: Final = "benchmarks.peers.work"
DEADLINE_SECONDS: Final = 1
#: How long after its deadline we look at a job that hangs, and then whether what it left behind lives on.
PATIENCE_SECONDS: Final = 5.0
ORPHAN_SECONDS: Final = 0.3
#: Ways to hang, with how many processes of each say that they have started.
PROCESSES: Final = {"loop": 1, "regex": 1, "stubborn": 1, "tree": 4}
#: As many jobs for each round of the others.
DRAINED_PER_ROUND: Final = 20


def measure(folder: Path, url: str, rounds: int) -> Iterator[Row]:
    """Yield the rows; their names are those of ours."""
    queue = Queue(connection=Redis.from_url(url))
    marks, jobs = folder / "drained", rounds * DRAINED_PER_ROUND
    queue.enqueue_many([Queue.prepare_data(f"{WORK}.mark", (str(marks),)) for _ in range(jobs)])
    with _pool(url):
        starts = sorted(int(line[1]) for line in lines(marks, jobs))
        rate = (jobs - 1) / max(1, starts[-1] - starts[0]) * 1e9
        yield Row("drain: 2 workers", rate, "jobs/s", f"n={jobs}")
        yield timings("pickup: enqueue to start", [_pick_up(queue, folder / f"mark-{n}") for n in range(rounds)])
        recovered = [_recover(queue, folder / f"stay-{n}") for n in range(rounds)]
        yield timings("recovery: running again after kill -9", recovered)
        for how in PROCESSES:
            yield from _kill_all(queue, folder, how, rounds)


@contextmanager
def _pool(url: str) -> Iterator[None]:
    program = str(Path(sys.executable).with_name("rq"))
    command = [program, "worker-pool", "--quiet", "--num-workers=2", f"--url={url}"]
    # It logs every timeout that we cause, and partly to stdout, which is for rows.
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as pool:
        try:
            yield
        finally:
            pool.terminate()


def _pick_up(queue: Any, path: Path) -> float:
    time.sleep(0.05)
    asked_ns = time.monotonic_ns()
    queue.enqueue(f"{WORK}.mark", str(path))
    time.sleep(0.05)
    return (int(lines(path, 1)[0][1]) - asked_ns) / 1e6


def _recover(queue: Any, path: Path) -> float:
    queue.enqueue(f"{WORK}.stay", str(path), retry=Retry(max=2))
    process = int(lines(path, 1)[0][0])
    killed_ns = time.monotonic_ns()
    os.kill(process, signal.SIGKILL)
    return (int(lines(path, 2)[1][1]) - killed_ns) / 1e6


def _kill_all(queue: Any, folder: Path, how: str, rounds: int) -> Iterator[Row]:
    first = _kill(queue, folder / f"{how}-0", how)
    # One that is never killed takes all our patience: it will not be otherwise the next time.
    late = [first, *(_kill(queue, folder / f"{how}-{n}", how) for n in range(1, rounds if first[0] else 1))]
    killed = [one[0] for one in late if one[0] is not None]
    never = f"alive {PATIENCE_SECONDS:.0f} s after its deadline"
    yield timings(f"kill: {how}", killed) if killed else Row(f"kill: {how}", None, "ms", never)
    if PROCESSES[how] > 1:
        left = sum(one[1] for one in late) / len(late)
        yield Row(f"kill: {how}, processes left", left, f"of {PROCESSES[how]}", f"{ORPHAN_SECONDS} s after its death")


def _kill(queue: Any, path: Path, how: str) -> tuple[float | None, int]:
    """Return how late the process of a hanging job died, in ms (None: not in time), and how many it left."""
    queue.enqueue(f"{WORK}.hang", how, str(path), job_timeout=DEADLINE_SECONDS)
    started = lines(path, PROCESSES[how])
    pids = [int(line[0]) for line in started]
    [late] = lateness(pids[:1], int(started[0][1]) + DEADLINE_SECONDS * 10**9, give_up_seconds=PATIENCE_SECONDS)
    time.sleep(ORPHAN_SECONDS)
    left = sum(_end(pid) for pid in pids)
    return (None if late == float("inf") else late), left


def _end(pid: int) -> bool:
    """Kill a process that was left; return whether it lived."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False


if __name__ == "__main__":
    from msgspec.json import encode

    for row in measure(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])):
        print(encode(row).decode(), flush=True)
