"""docs/security.md tells for each operation which scope it needs."""

from collections import defaultdict

from jobworker.api.operation import operation_of
from jobworker.api.strikes import MOST_STRIKES
from tests.support.page import Page, quoted
from tests.support.routes import all_responders

PAGE = Page("security.md")


def test_every_operation_stands_at_its_scope() -> None:
    told = {row[0].strip("`").partition(":")[0]: set(quoted(row[1])) for row in PAGE.rows("Scopes")}
    needed: dict[str, set[str]] = defaultdict(set)
    for method, path, resource in all_responders():
        described = operation_of(resource, method)
        assert described is not None
        if method != "HEAD":
            needed[described.scope or "none"].add(f"{method} {path}")
    due = {scope: ", ".join(f"`{operation}`" for operation in sorted(found)) for scope, found in needed.items()}
    assert told == needed, f"these are due: {due}"


def test_numbers_are_those_of_the_code() -> None:
    assert f"from the {MOST_STRIKES + 1}st in ten seconds" in PAGE.text
