"""`jobworker doctor`: what is wrong, or may become so, with Redis, the data in it, the supervisors and this host."""

from collections.abc import Iterator
from contextlib import closing
from typing import Final

import click
import msgspec

from jobworker.cli.options import warn, with_settings
from jobworker.cli.output import print_json
from jobworker.store.configuration import Loaded
from jobworker.store.errors import StoreError, StoreMisconfigured, StoreUnavailable
from jobworker.store.finding import Finding, problem
from jobworker.store.settings import Settings

#: How far each index is walked unless all is asked for.
MOST_ENTRIES: Final = 10_000


@click.command()
@click.option("--all", "everything", is_flag=True, help=f"Look at all jobs, not at {MOST_ENTRIES} of each index.")
@click.option(
    "--repair", is_flag=True, help="Put right what is found wrong with jobs and indexes, and say what was done."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_settings("redis", "jobs.keep", "jobs.keep_failed", "supervisor.workers", "supervisor.spares")
def doctor(loaded: Loaded, everything: bool, repair: bool, as_json: bool) -> int:
    """Examine Redis and its settings, the jobs, the supervisors and this host; change nothing without --repair.

    Exit code 1 when there is a problem, also 0 with warnings, 3 when Redis is not reachable.
    """
    from jobworker.cli.table import Column, show

    warn(loaded)
    findings = list(
        _as_far_as_possible(examine(loaded.settings, most=None if everything else MOST_ENTRIES, repair=repair))
    )
    has_problem = any(finding.level == "problem" for finding in findings)
    if as_json:
        print_json({"healthy": not has_problem, "findings": findings})
    else:
        columns = [
            Column("LEVEL", lambda item: item["level"]),
            Column("CHECK", lambda item: item["check"]),
            Column("FACT", _sentence, wraps=True),
        ]
        show(columns, map(msgspec.to_builtins, findings))
    return 1 if has_problem else 0


def examine(settings: Settings, *, most: int | None, repair: bool) -> Iterator[Finding]:
    """Yield every finding. Raises StoreUnavailable."""
    from jobworker.cli.checks import data, host, population, server
    from jobworker.cli.host import read_host
    from jobworker.store.durability import CHECKS, Durability
    from jobworker.store.inspection import Inspection

    redis, retention = settings.redis, settings.jobs.retention
    inspection = Inspection.connect(redis.url, timeout_seconds=redis.timeout, prefix=redis.prefix, retention=retention)
    with closing(inspection):
        facts = inspection.server()
        yield from (check(facts) for check in server.CHECKS)
        kept = Durability.of(facts.info, facts.config, redis.wait_replicas)
        yield from (check(kept) for check in CHECKS)
        people = inspection.population()
        yield from (finding for check in population.CHECKS for finding in check(people))
        yield from data.repair(inspection, most) if repair else data.check(inspection.audit(most))
    limits = read_host(settings.supervisor)
    yield from (check(limits) for check in host.CHECKS)


def _as_far_as_possible(findings: Iterator[Finding]) -> Iterator[Finding]:
    """Yield what is found up to where the data cannot be read, and that."""
    try:
        yield from findings
    except (StoreUnavailable, StoreMisconfigured):
        raise
    except StoreError as error:
        yield problem("data", f"what follows could not be looked at: {error}", "repair that, and look again")


def _sentence(finding: dict[str, str]) -> str:
    return f"{finding['fact']}; {finding['advice']}" if finding["advice"] else finding["fact"]
