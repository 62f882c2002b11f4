"""A pipe that nobody reads."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple


class Pipe(NamedTuple):
    reader: int
    writer: int

    def drain(self) -> bytes:
        """Return what it holds; it is empty then."""
        os.set_blocking(self.reader, False)
        parts: list[bytes] = []
        with suppress(BlockingIOError):
            while part := os.read(self.reader, 65_536):
                parts.append(part)
        return b"".join(parts)


@contextmanager
def full_pipe(room_bytes: int = 0) -> Iterator[Pipe]:
    """Make a pipe with so much room left, in pages of 4096 bytes."""
    reader, writer = os.pipe()
    try:
        os.write(writer, b"x" * (fcntl.fcntl(writer, fcntl.F_GETPIPE_SZ) - room_bytes))
        yield Pipe(reader, writer)
    finally:
        os.close(reader)
        os.close(writer)
