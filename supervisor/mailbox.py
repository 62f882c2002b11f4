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
#: What comes before a frame that carries a descriptor.
_CARRIER: Final = b"c"


class MailboxClosed(Exception):
    """The other end is closed."""


class BadFrame(Exception):
    """What the other end has written is no frame of ours."""


class End:
    """One end of a mailbox."""

    def __init__(self, endpoint: socket.socket) -> None:
        self.socket = endpoint
        self._carried: int | None = None

    def fileno(self) -> int:
        """Return the descriptor, for a selector."""
        return self.socket.fileno()

    def close(self) -> None:
        """Close this end; the other one reads an end of file."""
        self._drop_carried()
        self.socket.close()

    def close_writing(self) -> None:
        """Let the other end read an end of file after what is on its way; it can still answer."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def send(self, frame: bytes, flags: int = 0, carried: int | None = None) -> None:
        """Send one frame, and with a small one a copy of a descriptor.

        Raises MailboxClosed; BlockingIOError if told not to wait and there is no room.
        """
        flags |= _NO_SIGNAL
        try:
            if carried is not None:
                self.socket.sendmsg([_CARRIER + frame], [_rights(carried)], flags)
            elif len(frame) <= INLINE_BYTES:
                self.socket.send(_FRAME + frame, flags)
            else:
                self._send_memfd(frame, flags)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise MailboxClosed from error

    def receive(self, flags: int = 0) -> bytes | None:
        """Return the next frame; None at the end of file. Raises BadFrame; BlockingIOError if told not to wait.

        A descriptor that it carries is closed at the next call, unless it was taken.
        """
        self._drop_carried()
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
        if data[:1] == _CARRIER and descriptors:
            self._carried = descriptors[0]
            return data[1:]
        for descriptor in descriptors:
            os.close(descriptor)
        raise BadFrame(f"a frame of {len(data)} bytes and {len(descriptors)} descriptors")

    def take_carried(self) -> int | None:
        """Return the descriptor that came with the last frame; it is the caller's now. None: none came."""
        carried, self._carried = self._carried, None
        return carried

    def _drop_carried(self) -> None:
        if (carried := self.take_carried()) is not None:
            os.close(carried)

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
            self.socket.sendmsg([_MEMFD], [_rights(descriptor)], flags)
        finally:
            os.close(descriptor)


def _rights(descriptor: int) -> tuple[int, int, bytes]:
    # Not socket.send_fds: it ignores its flags.
    return socket.SOL_SOCKET, socket.SCM_RIGHTS, _DESCRIPTOR.pack(descriptor)


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
