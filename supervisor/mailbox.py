"""The mailbox: a SEQPACKET socket pair between a supervisor and one worker. One frame is one message.

Each frame goes to exactly one reader, so what the supervisor takes back from the worker's end was certainly not
started. A frame over 128 KiB travels as a memfd: the socket's buffer stays small.
"""

import os
import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

#: The largest frame that travels in the socket itself.
INLINE_BYTES: Final = 128 * 1024
_DESCRIPTOR: Final = struct.Struct("=i")
_DESCRIPTOR_SPACE: Final = socket.CMSG_LEN(_DESCRIPTOR.size)
# Plain numbers: to combine flags of an enum costs more than a message's way through the kernel's queue.
DONT_WAIT: Final = int(socket.MSG_DONTWAIT)
_CLOEXEC: Final = int(socket.MSG_CMSG_CLOEXEC)
_NO_SIGNAL: Final = int(socket.MSG_NOSIGNAL)
_FRAME: Final = b"f"
_MEMFD: Final = b"m"


class MailboxClosed(Exception):
    """The other end is closed."""


class BadFrame(Exception):
    """What the other end has written is no frame of ours."""


class End:
    """One end of a mailbox."""

    def __init__(self, endpoint: socket.socket) -> None:
        self.socket = endpoint

    def fileno(self) -> int:
        """Return the descriptor, for a selector."""
        return self.socket.fileno()

    def close(self) -> None:
        """Close this end; the other one reads an end of file."""
        self.socket.close()

    def close_writing(self) -> None:
        """Let the other end read an end of file after what is on its way; it can still answer."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def send(self, frame: bytes, flags: int = 0) -> None:
        """Send one frame. Raises MailboxClosed; BlockingIOError if told not to wait and there is no room."""
        flags |= _NO_SIGNAL
        try:
            if len(frame) <= INLINE_BYTES:
                self.socket.send(_FRAME + frame, flags)
            else:
                self._send_memfd(frame, flags)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise MailboxClosed from error

    def receive(self, flags: int = 0) -> bytes | None:
        """Return the next frame; None at the end of file. Raises BadFrame; BlockingIOError if told not to wait."""
        try:
            # Not socket.recv_fds: it ignores its flags.
            data, ancillary, _, _ = self.socket.recvmsg(INLINE_BYTES + 1, _DESCRIPTOR_SPACE, flags | _CLOEXEC)
        except ConnectionResetError:
            return None
        if not data:
            return None
        # A handler may have written anything into this socket, descriptors included.
        descriptors = [_DESCRIPTOR.unpack(content)[0] for _, _, content in ancillary]
        if data[:1] == _FRAME and not descriptors:
            return data[1:]
        if data == _MEMFD and descriptors:
            return _read_memfd(descriptors[0])
        for descriptor in descriptors:
            os.close(descriptor)
        raise BadFrame(f"a frame of {len(data)} bytes and {len(descriptors)} descriptors")

    def receive_waiting(self) -> Iterator[bytes]:
        """Yield the frames that are there, without waiting, whoever shares this end. Raises BadFrame, MailboxClosed."""
        with suppress(BlockingIOError):
            while (frame := self.receive(DONT_WAIT)) is not None:
                yield frame
            raise MailboxClosed

    def _send_memfd(self, frame: bytes, flags: int) -> None:
        descriptor = os.memfd_create("jobworker-frame", os.MFD_CLOEXEC)
        try:
            with os.fdopen(os.dup(descriptor), "wb") as file:
                file.write(frame)
            # Not socket.send_fds: it ignores its flags.
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, _DESCRIPTOR.pack(descriptor))
            self.socket.sendmsg([_MEMFD], [rights], flags)
        finally:
            os.close(descriptor)


def _read_memfd(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as file:
        # A pipe or a terminal would have us wait.
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise BadFrame("a descriptor that is no memory file")
        file.seek(0)
        return file.read()


def open_mailbox() -> tuple[End, End]:
    """Return (supervisor's end, worker's end), both close-on-exec."""
    # Neither end is ever made non-blocking: the flag would be shared by everyone who holds the description.
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return End(ours), End(theirs)
