import msgspec

from jobworker.handlers import limits
from jobworker.handlers.declaration import Declaration
from jobworker.store import limits as store_limits
from jobworker.store.catalogue import HandlerDefaults


def test_a_declaration_allows_exactly_what_the_store_keeps() -> None:
    assert _fields(Declaration) == _fields(HandlerDefaults)


def test_the_limits_of_results_retries_and_names_are_the_stores() -> None:
    assert limits.MAX_RESULT_BYTES == store_limits.MAX_RESULT_BYTES
    assert limits.MAX_JSON_DEPTH == store_limits.MAX_JSON_DEPTH
    assert limits.MAX_RETRY_SECONDS == store_limits.MAX_DELAY_SECONDS
    assert limits.NAME_PATTERN == store_limits.NAME_PATTERN


def test_a_declaration_becomes_what_the_store_keeps() -> None:
    declaration = Declaration.read({"timeout": None, "priority": 7, "backoff": {"base": 2}})

    defaults = msgspec.convert(msgspec.to_builtins(declaration), HandlerDefaults)

    assert (defaults.timeout, defaults.priority, defaults.queue) == (None, 7, None)
    assert defaults.backoff is not None
    assert (defaults.backoff.base, defaults.backoff.factor) == (2.0, 2.0)


def _fields(struct: type[msgspec.Struct]) -> object:
    """The JSON Schema without what only readers see."""
    _, parts = msgspec.json.schema_components([struct])
    return [_bare(part["properties"]) for _, part in sorted(parts.items(), reverse=True)]


def _bare(value: object) -> object:
    if isinstance(value, dict):
        return {key: _bare(item) for key, item in value.items() if key not in ("description", "title", "$ref")}
    return [_bare(item) for item in value] if isinstance(value, list) else value
