"""Waiting for what other processes write down and for their deaths. Peers run this too: standard library only."""

import math
import os
import select
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path


def until(condition: Callable[[], object], *, every_seconds: float = 0.001, give_up_seconds: float = 60) -> None:
    """Return when the condition holds; end the measurement when it does not in time."""
    give_up_at = time.monotonic() + give_up_seconds
    while not condition():
        if time.monotonic() > give_up_at:
            sys.exit(f"gave up after {give_up_seconds:.0f} s")
        time.sleep(every_seconds)


def lines(path: Path, count: int, *, give_up_seconds: float = 60) -> list[list[str]]:
    """Return the words of the lines in `path` when there are at least `count`."""
    until(lambda: path.exists() and path.read_text().count("\n") >= count, give_up_seconds=give_up_seconds)
    return [line.split() for line in path.read_text().splitlines()]


def lateness(pids: Sequence[int], due_ns: int, *, give_up_seconds: float = 60) -> list[float]:
    """Return how long after `due_ns` each process dies, in ms; infinity for those that outlive our patience."""
    late = dict.fromkeys(pids, math.inf)
    poll = select.poll()
    by_descriptor = {os.pidfd_open(pid): pid for pid in pids}
    for descriptor in by_descriptor:
        poll.register(descriptor, select.POLLIN)
    give_up_ns = due_ns + round(give_up_seconds * 1e9)
    waiting = set(by_descriptor)
    while waiting and (left_ns := give_up_ns - time.monotonic_ns()) > 0:
        for descriptor, _ in poll.poll(left_ns / 1e6):
            late[by_descriptor[descriptor]] = (time.monotonic_ns() - due_ns) / 1e6
            poll.unregister(descriptor)
            waiting.remove(descriptor)
    for descriptor in by_descriptor:
        os.close(descriptor)
    return [late[pid] for pid in pids]
