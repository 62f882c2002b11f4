"""The two pipes of a worker."""

import os
import resource
from contextlib import suppress

import pytest

from jobworker.supervisor.pipes import PIPE_BYTES, OutputPipes


def test_jobs_take_turns_and_nothing_waits() -> None:
    pipes = OutputPipes.open()
    turns = [pipes.turn() for _ in range(3)]
    os.write(pipes.sinks[pipes.current], b"words")
    assert turns == [1, 0, 1]
    assert pipes.read(pipes.source) == b"words"
    assert [pipes.read(source) for source in pipes.sources] == [None, None]
    pipes.close_sinks()
    assert pipes.read(pipes.source) == b""
    pipes.close()


def test_one_read_takes_all_that_a_pipe_holds() -> None:
    pipes = OutputPipes.open()
    os.set_blocking(pipes.sinks[0], False)
    written = 0
    with suppress(BlockingIOError):
        while True:
            written += os.write(pipes.sinks[0], b"x" * 1000)
    data = pipes.read(pipes.sources[0])
    assert data is not None
    assert len(data) == written <= PIPE_BYTES
    pipes.close()


def test_where_there_is_no_room_no_descriptor_is_left() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # The lowest free numbers are given out first: here is room for one pipe and a half.
    free = [os.dup(0) for _ in range(4)]
    for descriptor in free:
        os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free[3], hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            OutputPipes.open()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    again = [os.dup(0) for _ in range(4)]
    for descriptor in again:
        os.close(descriptor)
    assert again == free


def test_a_pipe_that_is_not_held_stays() -> None:
    pipes = OutputPipes.open()
    pipes.hold()
    pipes.turn()
    assert pipes.renew() is None
    pipes.close()


def test_a_held_pipe_is_replaced_at_its_next_turn_and_its_holder_can_write_on() -> None:
    pipes = OutputPipes.open()
    held, holder = pipes.source, pipes.sinks[0]
    pipes.hold()
    pipes.turn()
    pipes.turn()
    sink = pipes.renew()
    assert sink is not None
    os.write(holder, b"late")
    os.write(sink, b"in time")
    assert (pipes.read(pipes.source), pipes.read(held)) == (b"in time", b"late")
    assert pipes.outlets == {held}
    pipes.close_sinks()
    assert pipes.read(held) == b""
    pipes.discard(held)
    assert pipes.outlets == set()
    assert pipes.renew() is None
    os.close(sink)
    pipes.close()
