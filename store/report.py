"""What a running attempt tells of itself before it ends: how far it is, and what it prints."""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from jobworker.store.limits import MAX_PROGRESS_CHARACTERS
from jobworker.store.scripts import Argument


class LogChunk(Struct, frozen=True):
    """Some output of one attempt, at most 32 KiB."""

    #: How many bytes the attempt had written before, left-out ones counted.
    at: int
    #: When it was read from the worker, by the clock of that host.
    read_ms: int
    data: bytes


class Progress(Struct, frozen=True):
    """How far an attempt is, in the handler's words."""

    #: From 0 to 1; None: it cannot say.
    fraction: float | None
    message: str = ""


class AttemptReport(Struct, frozen=True):
    """What is new about one attempt."""

    id: str
    token: int
    progress: Progress | None = None
    chunks: tuple[LogChunk, ...] = ()

    def arguments(self) -> list[Argument]:
        """Return the arguments that `lua/report.lua` takes."""
        return [self.id, self.token, progress_argument(self.progress), *chunk_arguments(self.chunks)]

    @property
    def size_bytes(self) -> int:
        """How much it adds to a call, roughly."""
        return chunks_bytes(self.chunks) + 2 * MAX_PROGRESS_CHARACTERS + 200


def chunk_arguments(chunks: Sequence[LogChunk]) -> list[Argument]:
    """Return the number of chunks and each one's arguments, as `lua/includes/appending.lua` takes them."""
    flat: list[Argument] = [len(chunks)]
    for chunk in chunks:
        flat += [chunk.at, chunk.read_ms, chunk.data]
    return flat


def chunks_bytes(chunks: Sequence[LogChunk]) -> int:
    """Return how much these chunks add to a call, roughly."""
    return sum(len(chunk.data) + 60 for chunk in chunks)


def progress_argument(progress: Progress | None) -> bytes:
    """Return a progress as Redis keeps it; empty: none."""
    if progress is None:
        return b""
    short = msgspec.structs.replace(progress, message=progress.message[:MAX_PROGRESS_CHARACTERS])
    return msgspec.json.encode(short)
