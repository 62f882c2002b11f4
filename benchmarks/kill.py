"""Kill lateness: `python -m benchmarks.kill [ROUNDS]`.

Each job hangs in one of four ways under a deadline of 1 s. Lateness is the death of the worker, seen at its pidfd,
against the start that the handler wrote down plus 1 s. For the tree it is the death of its last process, too.
"""

from collections.abc import Iterator
from typing import Final

from benchmarks import bare
from benchmarks.rig import rig
from benchmarks.rows import Row, main, timings
from benchmarks.server import Server
from benchmarks.watch import lateness, lines

COUNT: Final = 100
DEADLINE_SECONDS: Final = 1.0
#: Ways to hang, and how many processes of each job say that they have started.
PROCESSES: Final = {"loop": 1, "regex": 1, "stubborn": 1, "tree": 4}
ASKED: Final = "median under 50 ms, p99 under 100 ms, never early"


def measure(rounds: int) -> Iterator[Row]:
    """Yield a row for each way to hang, and one for what the tree leaves behind."""
    base = timings("", [bare.kill(0.05) for _ in range(rounds)]).value
    with rig() as running:
        for how in PROCESSES:
            late = [_kill(running, how, number) for number in range(rounds)]
            workers = [one[0] for one in late]
            yield timings(f"kill: {how}", workers, against="sleep and kill", base=base, asked=ASKED)
            if PROCESSES[how] > 1:
                yield timings(f"kill: {how}, its last process", [max(one) for one in late])


def _kill(running: Server, how: str, number: int) -> list[float]:
    """Return how late each process of one hanging job died, in ms; the worker is the first."""
    path = running.folder / f"{how}-{number}"
    job_id = running.submit("hang", {"how": how, "started": str(path)}, timeout_seconds=DEADLINE_SECONDS)
    started = lines(path, PROCESSES[how])
    due_ns = int(started[0][1]) + round(DEADLINE_SECONDS * 1e9)
    late = lateness([int(line[0]) for line in started], due_ns)
    record = running.wait(job_id)
    assert record.attempts[-1].outcome == "timed_out", record
    return late


if __name__ == "__main__":
    main(measure, COUNT)
