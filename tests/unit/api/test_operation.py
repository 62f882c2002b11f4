"""What responders say of themselves."""

import pytest

from jobworker.api.operation import operation_of
from tests.support.routes import all_responders

#: Open to everybody: they tell of no job, and keep nobody from anything; a page's files come without a key.
OPEN = {"/livez", "/readyz", "/openapi.json", "/docs", "/docs/{file}"}

RESPONDERS = [pytest.param(*asked, id=" ".join(asked[:2])) for asked in all_responders()]


@pytest.mark.parametrize(("method", "path", "resource"), RESPONDERS)
def test_every_responder_is_described(method: str, path: str, resource: object) -> None:
    assert operation_of(resource, method) is not None


@pytest.mark.parametrize(("method", "path", "resource"), RESPONDERS)
def test_what_is_open_to_everybody_is_told_in_one_place(method: str, path: str, resource: object) -> None:
    described = operation_of(resource, method)
    assert described is not None
    assert (described.scope is None) == (path in OPEN)


def test_a_resource_says_nothing_of_methods_that_it_has_not() -> None:
    assert operation_of(object(), "GET") is None
