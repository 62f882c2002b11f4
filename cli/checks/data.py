"""Checks of the data: whether each job stands where its record says."""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from jobworker.cli.finding import Finding, Level, counted, ok
from jobworker.store.flaws import Flaw, Kind, Report

#: How many ids a finding names.
NAMED: Final = 3

_NOBODY_ELSE: Final = "see that nobody but jobworker writes or deletes keys below its prefix"
_ANEW: Final = f"submit what is still wanted anew, and {_NOBODY_ELSE}"
_NOEVICTION: Final = "set `maxmemory-policy noeviction`"


class Meaning(Struct, frozen=True):
    """What a kind of flaw means to people."""

    level: Level
    fact: str
    advice: str
    noun: str = "job"


#: In the order in which they matter.
MEANINGS: Final = {
    Kind.DOUBLED: Meaning("problem", "in two state indexes at once", _NOBODY_ELSE),
    Kind.UNLISTED: Meaning("problem", "that no state index names", _ANEW),
    Kind.UNSEEN: Meaning("problem", "in the index of an unknown queue or supervisor, where nobody looks", _ANEW),
    Kind.GONE: Meaning("problem", "that an index names, but without a record", f"{_NOEVICTION}, {_ANEW}"),
    Kind.DAMAGED: Meaning("problem", "with a damaged record", _NOBODY_ELSE),
    Kind.ELSEWHERE: Meaning("problem", "in another state index than the record says", _NOBODY_ELSE),
    Kind.DISORDERED: Meaning("problem", "at another place in the index than the record says", _NOBODY_ELSE),
    Kind.FORGOTTEN: Meaning(
        "warning", "ended and forgotten before the time", f"{_NOEVICTION}, and the same [jobs] keep for every process"
    ),
    Kind.OMITTED: Meaning("warning", "that lists leave out, or that may not expire in time", _NOBODY_ELSE),
    Kind.MISFILED: Meaning("warning", "under another type or time than the record says", _NOBODY_ELSE),
    Kind.LEFT: Meaning("warning", "still in lists, but without a record", f"{_NOEVICTION}, {_NOBODY_ELSE}"),
    Kind.STRAY: Meaning("warning", "of which only the output is left", f"{_NOEVICTION}, {_NOBODY_ELSE}"),
    Kind.EMPTY: Meaning("warning", "without any job", _NOBODY_ELSE, noun="type"),
}


def check(report: Report) -> Iterator[Finding]:
    """Return what was found, kind by kind."""
    for kind, meaning in MEANINGS.items():
        flaws = [flaw for flaw in report.flaws if flaw.kind is kind]
        if flaws:
            count = counted(len({flaw.name for flaw in flaws}), meaning.noun)
            yield Finding("data", meaning.level, f"{count} {meaning.fact}: {_named(flaws)}", meaning.advice)
    if not report.flaws:
        rest = "" if report.complete else "; there are more, which --all looks at"
        looked = f"{counted(report.entries, 'index entry')} and {counted(report.records, 'job')}"
        yield ok("data", f"{looked}: they agree{rest}")


def _named(flaws: list[Flaw]) -> str:
    named = ", ".join(f"{flaw.name} (in {flaw.index})" for flaw in flaws[:NAMED])
    return f"{named}, …" if len(flaws) > NAMED else named
