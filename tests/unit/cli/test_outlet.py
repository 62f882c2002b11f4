import os
import pty
import socket
import subprocess
import sys
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobworker.cli.outlet import PIECE_BYTES, Outlet
from tests.support.full_pipe import full_pipe


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    yield ours, theirs
    os.close(ours)
    os.close(theirs)


def test_a_pipe_that_nobody_reads_is_not_waited_for() -> None:
    with full_pipe() as pipe:
        outlet = Outlet(pipe.writer)
        assert not outlet.write("lost\n")
        pipe.drain()
        assert outlet.write("kept\n")
        assert pipe.drain() == b"kept\n"


def test_others_who_write_to_the_same_pipe_still_wait_for_its_reader() -> None:
    with full_pipe(PIECE_BYTES) as pipe:
        assert Outlet(pipe.writer).write("kept\n")
        assert os.get_blocking(pipe.writer)


def test_after_half_a_text_the_next_one_begins_on_a_line_of_its_own() -> None:
    with full_pipe(PIECE_BYTES) as pipe:
        outlet = Outlet(pipe.writer)
        assert not outlet.write("a" * (PIECE_BYTES + 1) + "\n")
        assert not outlet.write("lost\n")
        assert pipe.drain().endswith(b"xa" + b"a" * (PIECE_BYTES - 1))
        assert outlet.write("b\n")
        assert outlet.write("c\n")
        assert pipe.drain() == b"\nb\nc\n"


def test_a_long_text_is_written_whole_where_there_is_room() -> None:
    with full_pipe(10 * PIECE_BYTES) as pipe:
        assert Outlet(pipe.writer).write("ü" * 4 * PIECE_BYTES)
        assert pipe.drain().decode().lstrip("x") == "ü" * 4 * PIECE_BYTES


def test_a_file_is_written_where_it_stands(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w+") as file:
        file.write("before\n")
        file.flush()
        assert Outlet(file.fileno()).write("ours\n")
        file.write("after\n")
    assert (tmp_path / "file").read_text() == "before\nours\nafter\n"


def test_a_socket_that_nobody_reads_is_not_waited_for() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        outlet = Outlet(ours.fileno())
        assert outlet.write("first\n")
        while outlet.write("x" * PIECE_BYTES):
            pass
        assert theirs.recv(6) == b"first\n"


def test_a_terminal_that_nobody_reads_is_not_waited_for(terminal: tuple[int, int]) -> None:
    ours, theirs = terminal
    outlet = Outlet(theirs)
    assert outlet.isatty()
    assert outlet.write("first\n")
    while outlet.write("x" * PIECE_BYTES):
        pass
    assert os.read(ours, 6) == b"first\n"


def test_a_reader_that_has_left_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    assert not Outlet(writer).write("lost\n")
    os.close(writer)


def test_a_full_disk_is_no_error() -> None:
    with Path("/dev/full").open("w") as full:
        assert not Outlet(full.fileno()).write("lost\n")


def test_a_closed_descriptor_is_no_error() -> None:
    closed = os.open(os.devnull, os.O_WRONLY)
    os.close(closed)
    assert not Outlet(closed).write("lost\n")


def test_what_no_encoding_has_is_shown() -> None:
    with full_pipe(PIECE_BYTES) as pipe:
        assert Outlet(pipe.writer).write("\udc80\n")
        assert pipe.drain().endswith(b"x\\udc80\n")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", ""])
def test_a_standard_stream_that_is_missing_is_the_null_device_also_for_those_we_start(closed: str) -> None:
    program = (
        "import os, subprocess, sys; from jobworker.cli.outlet import fill_standard_streams; fill_standard_streams()\n"
        "for stream in (sys.stdout, sys.stderr): stream.reconfigure(line_buffering=True)\n"
        "assert sys.stdin.fileno() == 0, sys.stdin\n"
        "assert subprocess.call(['bash', '-c', 'echo out; echo err >&2; ls -l /proc/self/fd/0 > /dev/null']) == 0\n"
        "assert os.open('/', os.O_RDONLY) > 2\n"
    )
    assert subprocess.call(["bash", "-c", f'exec "$@" {closed}', "bash", sys.executable, "-c", program]) == 0


def test_a_terminal_that_others_are_just_writing_to_is_tried_again(
    terminal: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = terminal
    write, collisions = os.write, iter([BlockingIOError()] * 3)

    def collide(descriptor: int, data: memoryview) -> int:
        for collision in collisions:
            raise collision
        return write(descriptor, data)

    monkeypatch.setattr("jobworker.cli.outlet.os.write", collide)
    assert Outlet(theirs).write("kept\n")
    assert os.read(ours, 100) == b"kept\n"
