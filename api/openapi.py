"""The OpenAPI 3.1 document: made of the routes and of what each responder says of itself."""

import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from inspect import getdoc
from typing import Any, Final, cast

import msgspec
from msgspec import Struct

from jobworker.api.idempotency import KEY
from jobworker.api.operation import Operation, operation_of
from jobworker.api.problem import PROBLEM_JSON, Problem, status_line
from jobworker.store.idempotency import ALLOWED_KEY
from jobworker.store.limits import NAME_PATTERN

Json = dict[str, Any]

SCHEMAS: Final = "#/components/schemas/"

_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
#: What may happen to any request: unreadable, from where none may come, with unknown parameters, while Redis is away.
_ALWAYS_REFUSED: Final = (400, 403, 422, 503)
_WITH_SCOPE: Final = (401,)
_WITH_BODY: Final = (413, 415)
_LATER: Final = (429, 503)

_PARAMETER: Final = re.compile(r"\{(\w+)\}")
_NAMED: Final[Json] = {"type": "string", "pattern": NAME_PATTERN}
_PATH_SCHEMAS: Final[Mapping[str, Json]] = {"job_id": {"type": "string", "format": "uuid"}}
_HEADER_WORDS: Final[Mapping[str, str]] = {
    KEY: f"makes a request that comes twice one request; {ALLOWED_KEY}",
}

_ABOUT: Final = (
    "Background jobs over HTTP. What is refused is answered with problem details (RFC 9457), and has changed nothing. "
    "With API keys every request bears one, `Authorization: Bearer jw_…`, with the scope of the operation (`x-scope`)."
)


class _Asked(Struct, frozen=True):
    """One operation, where it stands."""

    path: str
    method: str
    resource: object
    says: Operation


def build_document(routes: Mapping[str, object]) -> Json:
    """Return the document of these routes, whoever can run what."""
    asked = list(_operations(routes))
    schemas, components = _schemas(asked)
    paths: dict[str, Json] = {}
    for each in asked:
        paths.setdefault(each.path, {})[each.method.lower()] = _describe(each, schemas)
    document: Json = {
        "openapi": "3.1.0",
        "info": {"title": "jobworker", "version": version("jobworker"), "description": _ABOUT},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "an API key, `jw_…`"}},
        },
    }
    return cast("Json", _portable(document))


def _operations(routes: Mapping[str, object]) -> Iterator[_Asked]:
    for path, resource in routes.items():
        for method in _METHODS:
            says = operation_of(resource, method)
            if says is not None:
                yield _Asked(path, method, resource, says)


def _schemas(asked: list[_Asked]) -> tuple[dict[Any, Json], dict[str, Json]]:
    """Return the schema of each type that an operation names, and the components that these refer to."""
    # A list, not a set: what comes first names the components, and a document should not change from start to start.
    types = list(dict.fromkeys([Problem, *(kind for each in asked for kind in _types(each.says))]))
    schemas, components = msgspec.json.schema_components(types, ref_template=SCHEMAS + "{name}")
    return dict(zip(types, schemas, strict=True)), dict(components)


def _types(says: Operation) -> Iterator[Any]:
    answers = (kind for answer in says.answers.values() for kind in _alternatives(answer))
    yield from (kind for kind in (says.body, says.query, *answers) if kind is not None and not isinstance(kind, str))


def _alternatives(answer: Any) -> tuple[Any, ...]:
    if isinstance(answer, tuple):
        return tuple(cast("Sequence[Any]", answer))
    return (answer,)


def _describe(each: _Asked, schemas: Mapping[Any, Json]) -> Json:
    says = each.says
    words = _PARAMETER.sub(r"\1", each.path).replace("/", "_").replace(".", "_")
    described: Json = {
        "operationId": f"{each.method.lower()}{words}",
        "summary": says.summary,
        "description": getdoc(getattr(each.resource, f"on_{each.method.lower()}")) or says.summary,
        "tags": [each.path.split("/")[1] if len(_path_steps(each.path)) > 1 or says.scope else "service"],
        "parameters": [*_path_parameters(each.path), *_query_parameters(says.query), *_headers(says)],
        "responses": {**_answers(each, schemas), **_refusals(says, schemas[Problem])},
    }
    if says.body is not None:
        described["requestBody"] = {"content": {"application/json": {"schema": schemas[says.body]}}}
    if says.scope is not None:
        described |= {"x-scope": says.scope.value, "security": [{"key": []}, {}]}
    return described


def _path_steps(path: str) -> list[str]:
    return [step for step in path.split("/") if step]


def _path_parameters(path: str) -> Iterator[Json]:
    for name in _PARAMETER.findall(path):
        yield {"name": name, "in": "path", "required": True, "schema": _PATH_SCHEMAS.get(name, _NAMED)}


def _query_parameters(query: Any) -> Iterator[Json]:
    if query is None:
        return
    # Each parameter stands alone: its schema is that of the field, with what it refers to put in its place.
    schema, components = msgspec.json.schema_components([query], ref_template="{name}")
    fields = components[schema[0]["$ref"]]
    for name, field in fields["properties"].items():
        known = components.get(field.get("$ref"))
        shown = {key: value for key, value in (known or field).items() if key != "title"}
        yield {"name": name, "in": "query", "required": name in fields["required"], "schema": shown}


def _headers(says: Operation) -> Iterator[Json]:
    for name in says.headers:
        schema: Json = {"type": "string", "minLength": 1, "maxLength": 255} if name == KEY else {"type": "string"}
        words = _HEADER_WORDS.get(name, name)
        yield {"name": name, "in": "header", "required": False, "description": words, "schema": schema}


def _answers(each: _Asked, schemas: Mapping[Any, Json]) -> Json:
    answers: Json = {}
    for status, answer in each.says.answers.items():
        content = {} if each.method == "HEAD" else dict(_media(kind, schemas) for kind in _alternatives(answer) if kind)
        answers[str(status)] = {"description": _title(status), **({"content": content} if content else {})}
    return answers


def _media(kind: Any, schemas: Mapping[Any, Json]) -> tuple[str, Json]:
    if isinstance(kind, str):
        media = kind.partition(";")[0]
        # Of JSON that is somebody else's nothing is known.
        return media, {"schema": {} if media == "application/json" else {"type": "string"}}
    return "application/json", {"schema": schemas[kind]}


def _refusals(says: Operation, problem: Json) -> Json:
    statuses = {*_ALWAYS_REFUSED, *says.errors}
    if says.scope is not None:
        statuses.update(_WITH_SCOPE)
    if says.body is not None:
        statuses.update(_WITH_BODY)
    return {str(status): _refusal(status, problem) for status in sorted(statuses - set(says.answers))}


def _refusal(status: int, problem: Json) -> Json:
    refusal: Json = {"description": _title(status), "content": {PROBLEM_JSON: {"schema": problem}}}
    if status in _LATER:
        refusal["headers"] = {"Retry-After": {"description": "seconds", "schema": {"type": "integer"}}}
    return refusal


def _title(status: int) -> str:
    return status_line(status).partition(" ")[2]


def _portable(node: Any) -> Any:
    """Return the node with patterns as ECMA-262 reads them, in which `\\Z` is a letter and `$` only the very end."""
    if isinstance(node, dict):
        return {key: _portable_value(key, value) for key, value in cast("Json", node).items()}
    if isinstance(node, list):
        return [_portable(item) for item in cast("Sequence[Any]", node)]
    return node


def _portable_value(key: str, value: Any) -> Any:
    if key == "pattern" and isinstance(value, str) and value.endswith(r"\Z"):
        return value[:-2] + "$"
    return _portable(value)
