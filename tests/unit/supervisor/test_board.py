"""The page that a supervisor and its worker share."""

import subprocess
import sys
import time

from jobworker.supervisor.board import MAX_TASKS_BYTES, Board, boottime_ns

IN_A_CHILD = """
import os
from jobworker.supervisor.board import Board
board = Board()
board.fence_ns = 5
pid = os.fork()
if pid == 0:
    board.started_ns = board.fence_ns + 1
    board.ended_ns = board.started_ns + 1
    os._exit(0)
os.waitpid(pid, 0)
print(board.fence_ns, board.started_ns, board.ended_ns)
"""


def test_it_begins_with_nothing_allowed_and_nothing_started() -> None:
    board = Board()
    assert (board.fence_ns, board.started_ns, board.ended_ns, board.interrupted) == (0, 0, 0, 0)
    board.close()


def test_each_number_keeps_its_place() -> None:
    board = Board()
    board.fence_ns, board.started_ns, board.ended_ns, board.interrupted = 2**62, -7, 3, 2**52
    assert (board.fence_ns, board.started_ns, board.ended_ns, board.interrupted) == (2**62, -7, 3, 2**52)
    board.close()


def test_the_baseline_touches_no_other_number() -> None:
    board = Board()
    board.fence_ns = board.started_ns = -1
    board.baseline = (2**40, 1, 2**30)
    assert (board.baseline, board.fence_ns, board.started_ns) == ((2**40, 1, 2**30), -1, -1)
    board.close()


def test_last_words_are_kept_whole_or_cut_and_touch_no_progress() -> None:
    board = Board()
    board.write_progress(0.5, "é" * 500)
    assert board.last_words == ""
    board.last_words = "why"
    assert board.last_words == "why"
    board.last_words = "x" * 5000
    assert board.last_words == "x" * 500
    assert board.read_progress() == (0.5, "é" * 500)
    board.close()


def test_tasks_are_those_of_one_attempt_until_they_are_forgotten() -> None:
    board = Board()
    board.coroutine = 7
    assert board.read_tasks(7) is None
    board.write_tasks(7, "é" * MAX_TASKS_BYTES)
    assert board.read_tasks(7) == "é" * (MAX_TASKS_BYTES // 2)
    assert board.read_tasks(8) is None
    board.write_tasks(7, "Task")
    assert (board.read_tasks(7), board.coroutine, board.last_words) == ("Task", 7, "")
    board.forget_tasks()
    assert board.read_tasks(7) is None
    board.close()


def test_what_the_child_writes_the_parent_reads() -> None:
    done = subprocess.run([sys.executable, "-c", IN_A_CHILD], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.split() == ["5", "6", "7"]


def test_boottime_is_never_behind_the_monotonic_clock() -> None:
    monotonic_ns = time.monotonic_ns()
    assert boottime_ns() >= monotonic_ns
