"""Talking to a running program through its three pipes, none of which can make us wait for another."""

import fcntl
import os
import subprocess
from collections.abc import Callable
from contextlib import suppress
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector
from typing import IO, Final

from jobworker.handlers.errors import BadResult
from jobworker.handlers.foreign.stderr import StderrLines
from jobworker.handlers.limits import MAX_RESULT_BYTES

_CHUNK_BYTES: Final = 64 * 1024


class Conversation:
    """Owns the pipes of one program.

    Told:   the payload, to write to stdin.
    Tells:  stderr, line by line; at the end what was on stdout.
    Ends:   when the program has ended: what it left running may hold the pipes open for ever.
    """

    def __init__(self, process: subprocess.Popen[bytes], payload: bytes, stderr: StderrLines) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._unsent = memoryview(payload)
        self._result = bytearray()
        self._stderr = stderr
        self._selector = DefaultSelector()
        self._pidfd = os.pidfd_open(process.pid)
        self._runs = True
        self._listen(process.stdin, EVENT_WRITE, self._send)
        self._readers = [(process.stdout, self._take_result), (process.stderr, stderr.feed)]
        for pipe, take in self._readers:
            self._listen(pipe, EVENT_READ, self._reading(pipe, take))
        self._selector.register(self._pidfd, EVENT_READ, self._end)

    def run(self) -> bytes:
        """Return what the program wrote to stdout until it ended. Raises BadResult if it is too much."""
        while self._runs:
            for key, _ in self._selector.select():
                key.data(key.fileobj)
        for pipe, take in self._readers:
            self._drain(pipe, take)
        self._stderr.end()
        return bytes(self._result)

    def close(self) -> None:
        """Release what is not the process's own."""
        self._selector.close()
        os.close(self._pidfd)

    def _listen(self, pipe: IO[bytes], event: int, act: Callable[[IO[bytes]], None]) -> None:
        os.set_blocking(pipe.fileno(), False)
        self._selector.register(pipe, event, act)

    def _end(self, _pidfd: object) -> None:
        self._runs = False

    def _send(self, pipe: IO[bytes]) -> None:
        try:
            self._unsent = self._unsent[os.write(pipe.fileno(), self._unsent[:_CHUNK_BYTES]) :]
        except BrokenPipeError:
            # It does not read its payload, or not to the end: that is its own affair.
            self._unsent = self._unsent[:0]
        if not self._unsent:
            self._selector.unregister(pipe)
            pipe.close()

    def _reading(self, pipe: IO[bytes], take: Callable[[bytes], None]) -> Callable[[IO[bytes]], None]:
        def read(_: IO[bytes]) -> None:
            data = os.read(pipe.fileno(), _CHUNK_BYTES)
            if data:
                take(data)
            else:
                self._selector.unregister(pipe)

        return read

    def _take_result(self, data: bytes) -> None:
        self._result += data
        if len(self._result) > MAX_RESULT_BYTES:
            raise BadResult(f"the program wrote more than {MAX_RESULT_BYTES} bytes to stdout: no result may be longer")

    def _drain(self, pipe: IO[bytes], take: Callable[[bytes], None]) -> None:
        """Read what the program wrote before it ended, and no more: what it left running may write for ever."""
        left = fcntl.fcntl(pipe.fileno(), fcntl.F_GETPIPE_SZ)
        with suppress(BlockingIOError):
            while left > 0 and (data := os.read(pipe.fileno(), left)):
                take(data)
                left -= len(data)
