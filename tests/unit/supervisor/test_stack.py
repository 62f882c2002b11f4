"""The stack in which a job hangs: what of it is worth keeping, and whom it is not asked of."""

import asyncio
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import jobworker.handlers.calling
import jobworker.supervisor.stack
from jobworker.supervisor.board import Board
from jobworker.supervisor.stack import (
    BLOCKED,
    CLOSED,
    DUMP_BYTES,
    NO_ANSWER,
    NO_HANDLER,
    NOT_IN_HANDLER,
    STACK_CHARACTERS,
    Stack,
    StackFile,
    stack_of,
    trim,
)
from tests.support.stand_ins import StandIns
from tests.unit.supervisor.running import Running

SUPERVISOR = Path(jobworker.supervisor.stack.__file__).parent
HEAD = "Current thread 0x00007f0000000001 (most recent call first):"
OTHER = "Thread 0x00007f0000000002 (most recent call first):"
USER = '  File "/srv/work.py", line 3 in hangs'


def frame(path: object, name: str) -> str:
    return f'  File "{path}", line 1 in {name}'


CALL = frame(jobworker.handlers.calling.__file__, "call")
START = frame(threading.__file__, "_bootstrap")
EXECUTION = frame(SUPERVISOR / "execution.py", "_alone")
LOOP = frame(asyncio.events.__file__, "_run")


def dump(*threads: tuple[str, ...]) -> bytes:
    return "\n\n".join("\n".join(lines) for lines in threads).encode() + b"\n"


@pytest.mark.parametrize(
    "below",
    [
        pytest.param((CALL, EXECUTION, '  File "/usr/bin/jobworker", line 8 in <module>'), id="of a function"),
        pytest.param((EXECUTION, LOOP, EXECUTION, CALL, EXECUTION), id="of a coroutine"),
        pytest.param((LOOP, START), id="of a thread"),
    ],
)
def test_what_lies_below_the_handler_goes(below: tuple[str, ...]) -> None:
    assert trim(dump((HEAD, USER, *below))) == f"{HEAD}\n{USER}"


def test_what_the_handler_calls_stays_whosever_code_it_is() -> None:
    assert trim(dump((HEAD, LOOP, EXECUTION, USER, CALL))) == "\n".join((HEAD, LOOP, EXECUTION, USER))


def test_the_job_s_own_thread_comes_first_and_idle_ones_go() -> None:
    whole = dump((OTHER, USER, START), (OTHER, START), (HEAD, USER, CALL))
    assert trim(whole) == f"{HEAD}\n{USER}\n\n{OTHER}\n{USER}"


def test_it_is_bounded_by_whole_lines_and_says_how_many_are_left_out() -> None:
    stack = stack_of(dump((HEAD, *[USER] * 1000)), None, "")
    assert len(stack.text) <= STACK_CHARACTERS + 40
    *frames, last = stack.text.split("\n")
    assert set(frames[1:]) == {USER}
    assert last == f"  … {1001 - len(frames)} more lines"


def test_what_has_lost_its_beginning_is_left_out() -> None:
    assert trim(dump(("t.py", USER), (HEAD, USER))) == f"{HEAD}\n{USER}"


def test_frames_that_faulthandler_leaves_out_are_told() -> None:
    assert trim(dump((HEAD, USER, USER, "  ..."))).split("\n")[1:] == [
        USER,
        USER,
        "  … and more frames: told are the innermost 2",
    ]


def test_nothing_is_made_of_nothing() -> None:
    assert trim(b"") == trim(b"what somebody else has written") == ""


def test_tasks_come_before_threads() -> None:
    assert stack_of(dump((HEAD, USER)), "Task", "").text == f"Task\n\n{HEAD}\n{USER}"


@pytest.mark.parametrize(
    ("written", "known", "missing"),
    [
        (b"", "", NO_ANSWER),
        (b"", BLOCKED, BLOCKED),
        (dump((HEAD, LOOP, START)), "", NOT_IN_HANDLER),
        (dump((HEAD, USER)), BLOCKED, ""),
    ],
)
def test_where_there_is_none_it_says_why(written: bytes, known: str, missing: str) -> None:
    assert stack_of(written, None, known).missing == missing


@pytest.fixture
def file() -> Iterator[StackFile]:
    file = StackFile()
    yield file
    file.close()


@pytest.fixture
def board() -> Iterator[Board]:
    board = Board()
    yield board
    board.close()


def test_the_end_of_a_long_dump_is_read(file: StackFile) -> None:
    os.write(file.fileno(), b"a" * DUMP_BYTES + b"end")
    assert file.dump() == b"a" * (DUMP_BYTES - 3) + b"end"


def test_who_would_not_answer_is_not_asked(stand_ins: StandIns) -> None:
    worker = stand_ins.fork()
    os.write(worker.stack.fileno(), b"of the job before")
    # It handles no signal at all: this one would kill it.
    assert worker.ask_stack(7) == NO_HANDLER
    assert worker.read_stack(7, NO_HANDLER) == Stack(missing=NO_HANDLER)
    assert worker.reap() is None


def test_a_stack_that_is_being_written_is_waited_for(running: Running, file: StackFile, board: Board) -> None:
    os.write(file.fileno(), b"half")
    running.loop.call_later(0.002, os.write, file.fileno(), b", whole")
    running.runner.run(file.wait(board, 7))
    assert file.dump() == b"half, whole"


def test_the_tasks_of_a_coroutine_are_waited_for(running: Running, file: StackFile, board: Board) -> None:
    board.coroutine = 7
    os.write(file.fileno(), b"whole")
    running.loop.call_later(0.05, board.write_tasks, 7, "Task")
    running.runner.run(file.wait(board, 7))
    assert board.read_tasks(7) == "Task"


def test_a_stack_that_does_not_come_is_not_waited_for_long(
    running: Running, file: StackFile, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobworker.supervisor.stack.PATIENCE_SECONDS", 0.01)
    running.runner.run(file.wait(board, 7))
    assert file.dump() == b""


def test_a_worker_that_dies_is_waited_for_no_longer(running: Running, board: Board) -> None:
    file = StackFile()
    running.loop.call_later(0.002, file.close)
    running.runner.run(file.wait(board, 7))
    assert file.fileno() == CLOSED
