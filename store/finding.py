"""What was found at one point of what is looked at, by `jobworker doctor` or the readiness."""

from typing import Literal

from msgspec import Struct

Level = Literal["ok", "warning", "problem"]


class Finding(Struct, frozen=True):
    """One point that was looked at."""

    check: str
    level: Level
    #: What is the case.
    fact: str
    #: What to do about it.
    advice: str | None = None


def ok(check: str, fact: str) -> Finding:
    """Return that nothing needs to be done."""
    return Finding(check, "ok", fact)


def warning(check: str, fact: str, advice: str) -> Finding:
    """Return what somebody should know or change."""
    return Finding(check, "warning", fact, advice)


def problem(check: str, fact: str, advice: str) -> Finding:
    """Return what loses jobs or keeps them from running."""
    return Finding(check, "problem", fact, advice)


def counted(number: int, noun: str) -> str:
    """Return so many of a noun.

    >>> counted(1, "job"), counted(2, "entry")
    ('1 job', '2 entries')
    """
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun[:-1]}ies" if noun.endswith("y") else f"{number} {noun}s"
