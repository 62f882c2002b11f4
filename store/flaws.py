"""What an audit finds: contradictions between jobs and the indexes that name them."""

from collections.abc import Iterator
from enum import StrEnum
from itertools import islice
from typing import Any, Final

from msgspec import Struct, field

#: How much is asked for at once: nobody waits long behind it.
STEP: Final = 200


class Kind(StrEnum):
    """What is wrong with a job and an index."""

    #: The index names a job that has no record.
    GONE = "gone"
    #: Likewise, of a job that had ended, before its time to be forgotten.
    FORGOTTEN = "forgotten"
    #: Its record does not say where it stands.
    DAMAGED = "damaged"
    #: Its record says that it stands elsewhere, where it does not.
    ELSEWHERE = "elsewhere"
    #: It stands elsewhere, as its record says, and here, too.
    DOUBLED = "doubled"
    #: It stands here with another score than its record says.
    DISORDERED = "disordered"
    #: The index in which its record says that it stands does not name it.
    UNLISTED = "unlisted"
    #: Nobody looks into that index, for its queue or its supervisor is not known.
    UNSEEN = "unseen"
    #: A secondary index does not name it.
    OMITTED = "omitted"
    #: A secondary index names it that should not, or should with another score.
    MISFILED = "misfiled"
    #: A secondary index names it, though it has no record and no state index names it.
    LEFT = "left"
    #: Its output is there, its record is not.
    STRAY = "stray"
    #: `types` names a type that has no job.
    EMPTY = "empty"
    #: A unique key names a job that does not wait or run with it.
    VOID = "void"


class Flaw(Struct, frozen=True):
    """One contradiction in the data."""

    kind: Kind
    #: The id of a job; of what is EMPTY the name of a type, of what is VOID a digest.
    name: str
    index: str


class Report(Struct):
    """What an audit has found, and how much it has looked at."""

    flaws: list[Flaw] = field(default_factory=list[Flaw])
    entries: int = 0
    records: int = 0
    #: Whether nothing was left out.
    complete: bool = True

    def steps(self, items: Iterator[Any], most: int | None) -> Iterator[list[Any]]:
        """Yield the items in steps until there are none, or until it is enough."""
        bounded = islice(items, most)
        while step := list(islice(bounded, STEP)):
            yield step
        if most is not None and next(items, None) is not None:
            self.complete = False
