"""What an attempt costs."""

import os
import resource
import subprocess
import sys
import time

from jobworker.store.job import Receipt
from jobworker.store.limits import MIB
from jobworker.supervisor.board import Board
from jobworker.supervisor.receipts import PEAK_FROM_SECONDS, Cpu, Meter, Remains


def burn(seconds: float) -> None:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def metered(work: object = None) -> Receipt:
    meter = Meter()
    meter.start()
    if callable(work):
        work()
    return meter.stop()


def test_the_wall_clock_and_the_cpu_are_told_apart() -> None:
    receipt = metered(lambda: burn(0.05))
    assert receipt.cpu_user_seconds + receipt.cpu_system_seconds >= 0.045
    assert receipt.wall_seconds >= 0.045


def test_cpu_of_before_does_not_count() -> None:
    burn(0.05)
    receipt = metered()
    assert receipt.cpu_user_seconds + receipt.cpu_system_seconds < 0.04


def test_children_that_were_waited_for_count() -> None:
    program = "import time\nuntil = time.process_time() + 0.1\nwhile time.process_time() < until: pass"
    receipt = metered(lambda: subprocess.run([sys.executable, "-ISc", program], check=True))
    assert receipt.cpu_user_seconds + receipt.cpu_system_seconds >= 0.09


def test_a_short_attempt_has_no_peak() -> None:
    assert metered().peak_rss_bytes is None


def test_the_peak_is_that_of_the_attempt() -> None:
    meter = Meter()
    before, during, after = [_peak_of(meter, mebibytes) for mebibytes in (0, 64, 0)]
    assert during > before + 60 * MIB
    assert after < before + 8 * MIB


def test_an_attempt_that_raises_no_peak_has_the_one_of_what_was_there() -> None:
    meter = Meter()
    first, second = _peak_of(meter, 0), _peak_of(meter, 0)
    assert abs(second - first) < 4 * MIB


def _peak_of(meter: Meter, mebibytes: int) -> int:
    meter.start()
    memory = bytearray(mebibytes * MIB)
    memory[::4096] = b"x" * len(memory[::4096])
    del memory
    burn(2 * PEAK_FROM_SECONDS)
    peak_bytes = meter.stop().peak_rss_bytes
    assert peak_bytes is not None
    return peak_bytes


def _remains(baseline: tuple[int, int, int]) -> tuple[Remains, resource.struct_rusage]:
    """Return what is told of a child that burnt 50 ms, and what the kernel says of it."""
    board = Board()
    pid = os.fork()
    if pid == 0:
        board.baseline = baseline
        board.started_ns = time.monotonic_ns()
        burn(0.05)
        os._exit(0)
    _, _, usage = os.wait4(pid, 0)
    remains = Remains.of(usage, board)
    board.close()
    return remains, usage


def test_the_dead_are_told_apart_from_what_they_were_when_the_attempt_began() -> None:
    remains, usage = _remains((1000, 0, 0))
    receipt = remains.receipt(Cpu(1.0, 2.0))
    # The kernel may have counted all that it burnt as its own.
    assert abs(receipt.cpu_user_seconds - (max(usage.ru_utime - 0.001, 0) + 1)) < 1e-5
    assert abs(receipt.cpu_system_seconds - (usage.ru_stime + 2)) < 1e-5
    assert 0.05 <= receipt.wall_seconds < 5
    assert receipt.peak_rss_bytes == usage.ru_maxrss * 1024


def test_a_peak_of_all_together_that_was_seen_counts_if_it_is_greater() -> None:
    remains, usage = _remains((0, 0, 0))
    own = usage.ru_maxrss * 1024
    assert [remains.receipt(Cpu(), seen).peak_rss_bytes for seen in (1024, 2 * own)] == [own, 2 * own]


def test_a_peak_that_may_be_an_earlier_child_s_is_not_told() -> None:
    remains, _ = _remains((0, 0, 2**40))
    assert remains.receipt(Cpu()).peak_rss_bytes is None


def test_nothing_is_less_than_nothing() -> None:
    remains, _ = _remains((10**9, 10**9, 0))
    assert remains.cpu == Cpu()
