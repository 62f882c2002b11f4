"""What a chaos run prints."""

from collections.abc import Callable, Iterator
from typing import Any, Final

import click
import msgspec

from jobworker.cli.chaos.schedule import KINDS
from jobworker.cli.chaos.trial import Options, Report
from jobworker.cli.table import Column
from jobworker.cli.table import show as show_table

#: How many sentences of a sort are printed.
MOST_SENTENCES: Final = 10


def _seconds(name: str) -> Callable[[dict[str, Any]], str]:
    return lambda row: f"{row[name]:.1f} s" if row[name] else ""


def _ms(name: str) -> Callable[[dict[str, Any]], str]:
    return lambda row: f"{row[name]:.0f} ms" if row[name] else ""


_FAULTS: Final = (
    Column("AT", _seconds("at_seconds"), right=True),
    Column("FAULT", lambda fault: fault["kind"]),
    Column("TARGET", lambda fault: fault["target"]),
    Column("LASTS", _seconds("lasts_seconds"), right=True),
)
_SUMS: Final = (Column("WHAT", lambda row: row["what"]), Column("COUNT", lambda row: str(row["count"]), right=True))
_TIMES: Final = (
    Column("RECOVERY", lambda row: row["what"]),
    Column("TIMES", lambda row: str(row["count"]), right=True),
    Column("MEDIAN", _ms("median_ms"), right=True),
    Column("P99", _ms("p99_ms"), right=True),
    Column("WORST", _ms("worst_ms"), right=True),
    Column("AMID OTHER FAULTS", lambda row: str(row["disturbed"]), right=True),
    Column("WORST", _ms("worst_disturbed_ms"), right=True),
)


def show_faults(options: Options) -> None:
    """Print what will happen."""
    parts = f"{options.supervisors} supervisors of {options.workers} workers"
    click.echo(f"chaos with seed {options.seed}: {options.seconds:g} s, {parts}, {options.rate:g} jobs a second\n")
    show_table(_FAULTS, map(msgspec.to_builtins, options.faults()))


def show(report: Report) -> None:
    """Print what has happened, and the verdict."""
    click.echo()
    show_table(_SUMS, _sums(report))
    click.echo()
    show_table(_TIMES, map(msgspec.to_builtins, report.recoveries))
    click.echo()
    for sentence in _sentences(report):
        click.echo(sentence)
    click.echo("Nothing was lost." if report.is_clean else "This is not as promised.")


def _sums(report: Report) -> Iterator[dict[str, Any]]:
    verdict = report.verdict
    for kind in KINDS:
        yield {"what": f"fault: {kind.says}", "count": report.faults.get(kind.name, 0)}
    yield {"what": "faults", "count": sum(report.faults.values())}
    yield {"what": "accepted (202)", "count": verdict.accepted}
    yield {"what": "sent again for want of an answer, by an Idempotency-Key", "count": verdict.repeats}
    yield {"what": "unanswered, without a key", "count": verdict.maybe}
    yield {"what": "of these done all the same", "count": verdict.recovered}
    yield {"what": "succeeded", "count": verdict.succeeded}
    for reason, count in sorted(verdict.again.items()):
        yield {"what": f"run again: {reason}", "count": count}
    yield {"what": "lost", "count": len(verdict.lost)}
    yield {"what": f"unfinished after a drain of {report.drain_seconds:.1f} s", "count": len(verdict.unfinished)}
    yield {"what": "failed", "count": len(verdict.failed)}
    yield {"what": "unexpected", "count": len(verdict.unexpected)}
    yield {"what": "parts that ended by themselves, and came again", "count": len(report.ends)}
    yield {"what": "flaws of the data", "count": len(report.flaws)}


def _sentences(report: Report) -> Iterator[str]:
    verdict = report.verdict
    for sentences in (verdict.lost, verdict.unfinished, verdict.failed, verdict.unexpected, report.flaws, report.ends):
        yield from sentences[:MOST_SENTENCES]
        if len(sentences) > MOST_SENTENCES:
            yield f"… and {len(sentences) - MOST_SENTENCES} more"
