"""Kill lateness: `python -m benchmarks.kill [ROUNDS]`.

Each job hangs in one of four ways under a deadline of 1 s. Lateness is the death of the worker, seen at its pidfd,
against the start that the handler wrote down plus 1 s. For the tree it is the death of its last process.
"""

import os
import select
import sys
import time
from pathlib import Path

from benchmarks.rig import Rig, figures, rig

DEADLINE_SECONDS = 1.0
PROCESSES = {"loop": 1, "regex": 1, "stubborn": 1, "tree": 4}


def measure(running: Rig, how: str, number: int) -> list[float]:
    """Return how late each process of one hanging job died, in ms; the worker is the first."""
    path = running.folder / f"{how}-{number}"
    job_id = running.submit("hang", {"how": how, "started": str(path)}, timeout_seconds=DEADLINE_SECONDS)
    lines = running.lines(path, PROCESSES[how])
    due_ns = int(lines[0][1]) + round(DEADLINE_SECONDS * 1e9)
    late = _deaths_after(due_ns, [int(line[0]) for line in lines])
    record = running.wait(job_id)
    assert record.attempts[-1].outcome == "timed_out", record
    return late


def _deaths_after(due_ns: int, pids: list[int]) -> list[float]:
    poll = select.poll()
    by_descriptor = {os.pidfd_open(pid): index for index, pid in enumerate(pids)}
    late = [0.0] * len(pids)
    for descriptor in by_descriptor:
        poll.register(descriptor, select.POLLIN)
    waiting = len(pids)
    while waiting:
        for descriptor, _ in poll.poll():
            late[by_descriptor[descriptor]] = (time.monotonic_ns() - due_ns) / 1e6
            poll.unregister(descriptor)
            os.close(descriptor)
            waiting -= 1
    return late


def main() -> None:
    """Print one row for each way to hang."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    early = 0
    with rig() as running:
        for how in PROCESSES:
            late = [measure(running, how, number) for number in range(rounds)]
            early += sum(one[0] < 0 for one in late)
            print(figures(f"kill, {how}", [one[0] for one in late]), flush=True)
            if PROCESSES[how] > 1:
                print(figures("kill, its last process", [max(one) for one in late]), flush=True)
    print(f"killed early: {early}")


if __name__ == "__main__":
    assert Path("setup.py").exists(), "run it from the root of the repository"
    main()
