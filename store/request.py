"""What clients want of a supervisor that runs: kept in Redis until it says that it is done."""

from typing import Self

import msgspec
from msgspec import Struct

from jobworker.store.job import Note


class Request(Struct, frozen=True):
    """One entry of the hash of requests. Done twice, each does no harm."""

    #: `stack:<id of the job>`, `scale` or `drain`.
    field: str
    #: `<µs of Redis's clock when it was asked> <what>`: a token, a number, JSON of who and why.
    value: str

    @classmethod
    def decode(cls, flat: list[bytes]) -> list[Self]:
        """Read `field, value, field, value, …`."""
        return [cls(field.decode(), value.decode()) for field, value in zip(flat[::2], flat[1::2], strict=True)]

    @property
    def kind(self) -> str:
        """What is wanted."""
        return self.field.partition(":")[0]

    @property
    def job_id(self) -> str:
        """The job whose stack is wanted."""
        return self.field.partition(":")[2]

    @property
    def number(self) -> int:
        """The token of the attempt whose stack is wanted; how many workers are wanted."""
        return int(self._what)

    @property
    def note(self) -> Note:
        """Who wants the supervisor to drain, and why."""
        return msgspec.json.decode(self._what, type=Note)

    @property
    def _what(self) -> str:
        return self.value.partition(" ")[2]
