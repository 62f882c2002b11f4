"""The mailbox: frames arrive whole, in order, once; what is no frame harms nobody."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

import pytest

from jobworker.supervisor.mailbox import INLINE_BYTES, BadFrame, End, MailboxClosed, open_mailbox


class Mailbox(NamedTuple):
    ours: End
    theirs: End


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    ours, theirs = open_mailbox()
    yield Mailbox(ours, theirs)
    ours.close()
    theirs.close()


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def waiting(end: End) -> list[bytes]:
    """The frames that are there, and then no end of file."""
    return list(end.receive_waiting())


@pytest.mark.parametrize("size", [0, 1, INLINE_BYTES - 1, INLINE_BYTES, INLINE_BYTES + 1, 1024 * 1024, 5_000_000])
def test_a_frame_of_any_size_arrives_whole(mailbox: Mailbox, size: int) -> None:
    frame = os.urandom(size)
    before = open_descriptors()
    mailbox.ours.send(frame)
    assert mailbox.theirs.receive() == frame
    assert open_descriptors() == before


def test_both_ends_send_and_receive(mailbox: Mailbox) -> None:
    mailbox.ours.send(b"to")
    mailbox.theirs.send(b"fro")
    assert (mailbox.theirs.receive(), mailbox.ours.receive()) == (b"to", b"fro")


def test_frames_arrive_in_order_each_by_itself(mailbox: Mailbox) -> None:
    frames = [b"a", b"b" * (INLINE_BYTES + 1), b"", b"c"]
    for frame in frames:
        mailbox.ours.send(frame)
    assert waiting(mailbox.theirs) == frames
    assert waiting(mailbox.theirs) == []


def test_a_frame_can_carry_a_descriptor_which_is_the_taker_s(mailbox: Mailbox) -> None:
    reading, writing = os.pipe()
    before = open_descriptors()
    mailbox.ours.send(b"take it", carried=writing)
    assert mailbox.theirs.receive() == b"take it"
    carried = mailbox.theirs.take_carried()
    assert carried is not None
    os.write(carried, b"through a copy")
    assert os.read(reading, 100) == b"through a copy"
    assert mailbox.theirs.take_carried() is None
    os.close(carried)
    assert open_descriptors() == before
    os.close(reading)
    os.close(writing)


def test_a_descriptor_that_nobody_takes_is_closed_with_the_next_frame(mailbox: Mailbox) -> None:
    before = open_descriptors()
    for end in (mailbox.ours, mailbox.theirs):
        end.send(b"one", carried=0)
    assert mailbox.theirs.receive() == b"one"
    mailbox.theirs.send(b"two")
    assert waiting(mailbox.ours) == [b"one", b"two"]
    assert open_descriptors() == before + 1
    mailbox.theirs.close()
    mailbox.ours.close()
    assert open_descriptors() == before - 2


def test_a_frame_goes_to_one_reader_only(mailbox: Mailbox) -> None:
    with socket.socket(fileno=os.dup(mailbox.theirs.fileno())) as copy:
        other = End(copy)
        for number in range(4):
            mailbox.ours.send(b"%d" % number)
        assert mailbox.theirs.receive() == b"0"
        assert waiting(other) == [b"1", b"2", b"3"]
        assert waiting(mailbox.theirs) == []


def test_after_close_writing_the_other_end_reads_what_is_on_its_way_then_the_end_and_can_answer(
    mailbox: Mailbox,
) -> None:
    mailbox.ours.send(b"last")
    mailbox.ours.close_writing()
    assert mailbox.theirs.receive() == b"last"
    assert mailbox.theirs.receive() is None
    mailbox.theirs.send(b"answer")
    assert mailbox.ours.receive() == b"answer"
    mailbox.ours.close_writing()


def test_an_end_of_file_while_looking_for_frames_is_told_after_them(mailbox: Mailbox) -> None:
    mailbox.theirs.send(b"last")
    mailbox.theirs.close()
    frames: list[bytes] = []
    with pytest.raises(MailboxClosed):
        frames.extend(mailbox.ours.receive_waiting())
    assert frames == [b"last"]


def test_sending_to_a_closed_end_is_told(mailbox: Mailbox) -> None:
    mailbox.theirs.close()
    for frame in (b"small", b"x" * (INLINE_BYTES + 1)):
        with pytest.raises(MailboxClosed):
            mailbox.ours.send(frame)


def test_who_does_not_want_to_wait_does_not(mailbox: Mailbox) -> None:
    with pytest.raises(BlockingIOError):
        mailbox.ours.receive(socket.MSG_DONTWAIT)
    sent = 0
    with suppress(BlockingIOError):
        while sent < 1000:
            mailbox.ours.send(b"x" * INLINE_BYTES, socket.MSG_DONTWAIT)
            sent += 1
    assert 1 <= sent < 1000
    with pytest.raises(BlockingIOError):
        mailbox.ours.send(b"x" * (INLINE_BYTES + 1), socket.MSG_DONTWAIT)


def test_the_worker_s_end_stays_blocking_after_a_look_that_does_not_wait(mailbox: Mailbox) -> None:
    assert waiting(mailbox.theirs) == []
    assert not fcntl.fcntl(mailbox.theirs.fileno(), fcntl.F_GETFL) & os.O_NONBLOCK


def test_no_end_is_inherited_through_exec(mailbox: Mailbox) -> None:
    assert not any(os.get_inheritable(end.fileno()) for end in mailbox)


def test_a_descriptor_that_arrives_is_not_inherited_either(mailbox: Mailbox) -> None:
    mailbox.ours.send(b"x" * (INLINE_BYTES + 1))
    _, ancillary, _, _ = mailbox.theirs.socket.recvmsg(64, socket.CMSG_LEN(4), socket.MSG_CMSG_CLOEXEC)
    descriptor = int.from_bytes(ancillary[0][2], "little")
    assert not os.get_inheritable(descriptor)
    os.close(descriptor)


@pytest.mark.parametrize("garbage", [b"m", b"mm", b"x", b"hello, world", b"\x00" * 100, b"x" * (INLINE_BYTES + 9)])
def test_what_is_no_frame_is_told_as_such(mailbox: Mailbox, garbage: bytes) -> None:
    mailbox.theirs.socket.send(garbage)
    with pytest.raises(BadFrame):
        mailbox.ours.receive()


@pytest.mark.parametrize("head", [b"f", b"fx", b"x", b"mm"])
def test_a_descriptor_nobody_asked_for_is_closed(mailbox: Mailbox, head: bytes) -> None:
    before = open_descriptors()
    with open(os.devnull, "rb") as file:
        socket.send_fds(mailbox.theirs.socket, [head], [file.fileno()])
        with pytest.raises(BadFrame):
            mailbox.ours.receive()
    assert open_descriptors() == before


def test_a_pipe_in_place_of_a_memory_file_is_not_waited_for(mailbox: Mailbox) -> None:
    reading, writing = os.pipe()
    before = open_descriptors()
    socket.send_fds(mailbox.theirs.socket, [b"m"], [reading])
    with pytest.raises(BadFrame):
        mailbox.ours.receive()
    assert open_descriptors() == before
    os.close(reading)
    os.close(writing)


def test_frames_before_the_garbage_are_not_lost(mailbox: Mailbox) -> None:
    mailbox.theirs.send(b"report")
    mailbox.theirs.socket.send(b"garbage")
    frames: list[bytes] = []
    with pytest.raises(BadFrame):
        frames.extend(mailbox.ours.receive_waiting())
    assert frames == [b"report"]
