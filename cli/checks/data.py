"""Checks of the data: whether each job stands where its record says, and what became of those that did not."""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from jobworker.store.finding import Finding, Level, counted, ok
from jobworker.store.flaws import Flaw, Kind, Report
from jobworker.store.inspection import Inspection
from jobworker.store.repair import Mended, Mending

#: How many ids a finding names.
NAMED: Final = 3
#: How many it names where something was changed.
NAMED_MENDED: Final = 20

_NOBODY_ELSE: Final = "see that nobody but jobworker writes or deletes keys below its prefix"
_REPAIR: Final = f"`jobworker doctor --repair` puts that right; {_NOBODY_ELSE}"
_ANEW: Final = f"submit what is still wanted anew; {_REPAIR}"
_DELETE: Final = f"no repair knows where it belongs: submit what is still wanted anew, and {_NOBODY_ELSE}"
_NOEVICTION: Final = "set `maxmemory-policy noeviction`"


class Meaning(Struct, frozen=True):
    """What a kind of flaw means to people."""

    level: Level
    fact: str
    advice: str
    noun: str = "job"


#: In the order in which they matter.
MEANINGS: Final = {
    Kind.DOUBLED: Meaning("problem", "in two state indexes at once", _REPAIR),
    Kind.UNLISTED: Meaning("problem", "that no state index names", _REPAIR),
    Kind.UNSEEN: Meaning("problem", "in the index of an unknown queue or supervisor, where nobody looks", _REPAIR),
    Kind.GONE: Meaning("problem", "that an index names, but without a record", f"{_NOEVICTION}, {_ANEW}"),
    Kind.DAMAGED: Meaning("problem", "with a damaged record", _DELETE),
    Kind.ELSEWHERE: Meaning("problem", "in another state index than the record says", _REPAIR),
    Kind.DISORDERED: Meaning("problem", "at another place in the index than the record says", _REPAIR),
    Kind.FORGOTTEN: Meaning(
        "warning", "ended and forgotten before the time", f"{_NOEVICTION}, and the same [jobs] keep for every process"
    ),
    Kind.OMITTED: Meaning("warning", "that lists leave out, or that may not expire in time", _REPAIR),
    Kind.MISFILED: Meaning("warning", "under another type or time than the record says", _REPAIR),
    Kind.LEFT: Meaning("warning", "still in lists, but without a record", f"{_NOEVICTION}, {_REPAIR}"),
    Kind.STRAY: Meaning("warning", "of which only the output is left", f"{_NOEVICTION}, {_REPAIR}"),
    Kind.VOID: Meaning("warning", "that no job has which waits or runs", _REPAIR, noun="unique key"),
    Kind.EMPTY: Meaning("warning", "without any job", _REPAIR, noun="type"),
}


#: What became of flaws, in the order in which it matters.
MENDINGS: Final = {
    Mending.PUT_BACK: ("job", "put back, for nobody runs it any more"),
    Mending.FILED: ("job", "now where its record says"),
    Mending.REMOVED: ("name", "without a job, removed with all that was left under it"),
    Mending.AGREES: ("job", "that is right by now"),
}


def repair(inspection: Inspection, most: int | None) -> Iterator[Finding]:
    """Mend what is found; return what was done, and what could not be mended."""
    report = inspection.audit(most)
    done = list(inspection.repair(report.flaws))
    yield from _mended(done)
    report.flaws = [item.flaw for item in done if item.mending is Mending.DAMAGED]
    yield from check(report)


def _mended(done: list[Mended]) -> Iterator[Finding]:
    for mending, (noun, what) in MENDINGS.items():
        flaws = [item.flaw for item in done if item.mending is mending]
        if flaws:
            yield ok("repair", f"{_counted(flaws, noun)} {what}: {_named(flaws, NAMED_MENDED)}")


def check(report: Report) -> Iterator[Finding]:
    """Return what was found, kind by kind."""
    for kind, meaning in MEANINGS.items():
        flaws = [flaw for flaw in report.flaws if flaw.kind is kind]
        if flaws:
            fact = f"{_counted(flaws, meaning.noun)} {meaning.fact}: {_named(flaws)}"
            yield Finding("data", meaning.level, fact, meaning.advice)
    if not report.flaws:
        rest = "" if report.complete else "; there are more, which --all looks at"
        looked = f"{counted(report.entries, 'index entry')} and {counted(report.records, 'job')}"
        yield ok("data", f"{looked}: they agree{rest}")


def _counted(flaws: list[Flaw], noun: str) -> str:
    return counted(len({flaw.name for flaw in flaws}), noun)


def _named(flaws: list[Flaw], most: int = NAMED) -> str:
    named = ", ".join(f"{flaw.name} (in {flaw.index})" for flaw in flaws[:most])
    return f"{named}, …" if len(flaws) > most else named
