"""What the audit's report means to people."""

from collections.abc import Iterable, Iterator
from typing import cast

import pytest

from jobworker.cli.checks.data import MEANINGS, MENDINGS, NAMED, check, repair
from jobworker.store.flaws import Flaw, Kind, Report
from jobworker.store.inspection import Inspection
from jobworker.store.repair import Mended, Mending

#: No job is lost or stuck.
HARMLESS = {Kind.FORGOTTEN, Kind.OMITTED, Kind.MISFILED, Kind.LEFT, Kind.STRAY, Kind.EMPTY, Kind.VOID}
NOUNS = {Kind.EMPTY: "1 type ", Kind.VOID: "1 unique key "}


def test_every_kind_of_flaw_has_a_meaning() -> None:
    assert set(MEANINGS) == set(Kind)


@pytest.mark.parametrize("kind", Kind)
def test_each_flaw_is_named_with_what_to_do(kind: Kind) -> None:
    [found] = check(Report([Flaw(kind, "id-1", "scheduled")]))
    assert found.fact.startswith(NOUNS.get(kind, "1 job "))
    assert found.fact.endswith(": id-1 (in scheduled)")
    assert found.advice
    assert found.level == ("warning" if kind in HARMLESS else "problem")


def test_many_are_counted_and_a_few_are_named() -> None:
    [found] = check(Report([Flaw(Kind.GONE, f"id-{number}", "scheduled") for number in range(NAMED + 1)]))
    assert found.fact.startswith(f"{NAMED + 1} jobs ")
    assert found.fact.endswith("id-2 (in scheduled), …")


def test_a_job_that_two_indexes_omit_is_one() -> None:
    [found] = check(Report([Flaw(Kind.OMITTED, "id-1", "created"), Flaw(Kind.OMITTED, "id-1", "types")]))
    assert found.fact.startswith("1 job ")
    assert found.fact.endswith(": id-1 (in created), id-1 (in types)")


def test_each_kind_is_a_finding_of_its_own() -> None:
    report = Report([Flaw(Kind.GONE, "a", "x"), Flaw(Kind.DOUBLED, "b", "y"), Flaw(Kind.GONE, "c", "x")])
    assert [found.fact[:6] for found in check(report)] == ["1 job ", "2 jobs"]


def test_data_without_a_flaw_says_how_much_was_looked_at() -> None:
    [found] = check(Report(entries=1, records=2))
    assert (found.level, found.fact) == ("ok", "1 index entry and 2 jobs: they agree")
    [found] = check(Report(entries=1, records=2, complete=False))
    assert found.fact.endswith("; there are more, which --all looks at")


class Inspected:
    """Stands in for the inspection: has found these flaws, each of which came to what is said."""

    def __init__(self, *mended: Mended) -> None:
        self._mended = mended

    def audit(self, _most: int | None) -> Report:
        return Report([item.flaw for item in self._mended], entries=9, records=3)

    def repair(self, flaws: Iterable[Flaw]) -> Iterator[Mended]:
        assert list(flaws) == [item.flaw for item in self._mended]
        yield from self._mended


def repaired(*mended: Mended) -> list[tuple[str, str, str]]:
    found = repair(cast("Inspection", Inspected(*mended)), None)
    return [(finding.check, finding.level, finding.fact) for finding in found]


def test_a_repair_says_what_it_has_done_and_that_all_is_well_now() -> None:
    moved = Mended(Flaw(Kind.UNLISTED, "id-1", "ready:mail"), Mending.FILED)
    assert repaired(moved) == [
        ("repair", "ok", "1 job now where its record says: id-1 (in ready:mail)"),
        ("data", "ok", "9 index entries and 3 jobs: they agree"),
    ]


def test_what_no_repair_can_mend_stays_a_problem() -> None:
    [found] = repaired(Mended(Flaw(Kind.ELSEWHERE, "id-1", "scheduled"), Mending.DAMAGED))
    assert found[:2] == ("data", "problem")


def test_every_kind_of_mending_is_told() -> None:
    assert {*MENDINGS, Mending.DAMAGED} == set(Mending)
