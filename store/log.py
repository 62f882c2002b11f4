"""What a job has printed, as it is read: the pieces that are kept, and what was left out between them."""

from typing import Any, Self

from msgspec import Struct

from jobworker.store.states import ENDED, JobState


class LogMark(Struct, frozen=True):
    """How far a reader has come."""

    #: Bytes that the job had printed up to there, left-out ones counted.
    at: int = 0
    #: The last chunk that he has seen: it may have grown since.
    chunk: int = 0


class LogPiece(Struct, frozen=True):
    """Some output in a row."""

    #: How many bytes the job had printed before.
    at: int
    #: How many of them, just before, are not kept.
    left_out: int
    #: When a supervisor read it, by the clock of its host.
    read_ms: int
    attempt: int
    data: bytes


class LogPage(Struct, frozen=True):
    """What a reader has not seen yet, and where he goes on."""

    status: JobState
    pieces: list[LogPiece]
    end: LogMark

    @property
    def ended(self) -> bool:
        """Whether the job has ended: nothing more comes unless it is run again."""
        return self.status in ENDED

    @classmethod
    def decode(cls, reply: list[Any], mark: LogMark) -> Self:
        """Read the reply of `lua/log.lua` to a reader who has come to `mark`."""
        _, status, written, last, chunks = reply
        pieces: list[LogPiece] = []
        at = mark.at
        for chunk in chunks:
            piece = _decode_chunk(chunk, at)
            if piece.data or piece.left_out:
                pieces.append(piece)
                at = piece.at + len(piece.data)
        return cls(JobState(status.decode()), pieces, LogMark(max(int(written), mark.at), int(last)))


def _decode_chunk(chunk: bytes, seen: int) -> LogPiece:
    """Read a chunk, without what a reader has seen who has come to byte `seen`."""
    read_ms, attempt, begin, data = chunk.split(b" ", 3)
    at = int(begin)
    data = data[max(seen - at, 0) :]
    return LogPiece(max(at, seen), max(at - seen, 0), int(read_ms), int(attempt), data)
