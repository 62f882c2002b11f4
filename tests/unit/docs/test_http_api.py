"""docs/http-api.md is what the code says; test_http_examples.py tries its examples."""

from tests.support.examples import EXAMPLES
from tests.support.http_api import COMMAND, PAGE, render
from tests.support.routes import all_responders


def test_every_operation_has_an_example_and_every_example_an_operation() -> None:
    operations = {(method, path) for method, path, _ in all_responders() if method != "HEAD"}
    assert operations == EXAMPLES.keys()


def test_the_page_is_what_the_operations_say() -> None:
    assert PAGE.read_text() == render(), f"docs/http-api.md is stale: run {COMMAND}"
