"""docs/http-api.md, made of what the operations say: `python -m tests.support.http_api` writes it anew."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from jobworker.api.openapi import SCHEMAS, build_document
from jobworker.api.problem import PROBLEM_JSON
from tests.support.examples import EXAMPLES, URL, Example
from tests.support.page import DOCS
from tests.support.routes import all_routes

Json = dict[str, Any]

COMMAND: Final = "python -m tests.support.http_api"
PAGE: Final = DOCS / "http-api.md"

INTRODUCTION: Final = f"""# HTTP API

Made of the code by `{COMMAND}`; every example is executed by a test. A running API shows the same at
`/docs`, to be tried by hand, and at `/openapi.json` for programs. Your types and their payloads: `GET /handlers`.

- An API at its default address is assumed, `{URL}`; `$ID` is the `id` that `POST /jobs` has answered.
- Bodies are JSON, sent as `Content-Type: application/json`. Unknown fields and parameters are refused. Times are
  RFC 3339 in UTC.
- With API keys each request needs `-H "Authorization: Bearer jw_…"` with the scope that stands at the operation.
  Without any, requests must be for a name of this host.
- Wherever there is GET, there is HEAD. Every answer has an `X-Request-Id`: yours, if you sent one.
- What is refused is answered by `application/problem+json`, type [Problem](#problem), and has changed nothing. Only
  after 503 that may be unknown: `POST /jobs` is safely repeated with the same `Idempotency-Key`.

| status | |
|---|---|
"""
REFUSALS: Final[Mapping[str, str]] = {
    "400": "the request cannot be read",
    "401": "no API key, or one that does not count",
    "403": "the key lacks the scope; without keys: a foreign Host or Origin",
    "404": "there is no such job, queue, supervisor or path",
    "409": "the job's state does not allow it; `detail` says which it is in",
    "413": "the body or the payload is too large",
    "415": "the body is not declared to be JSON, or is encoded",
    "422": "a field or a parameter is not what is allowed; `errors` has a JSON pointer to it",
    "429": "too many requests without a key that counts; come again after `Retry-After` seconds",
    "503": "Redis is away, or too many ask; come again after `Retry-After` seconds",
}
_JOBS: Final = {
    "succeeded": "has succeeded",
    "failed": "has failed",
    "running": "is running",
    "scheduled": "is scheduled",
}
_LIMITS: Final[Mapping[str, str]] = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "maxItems": "at most {}",
    "pattern": "`{}`",
    "default": "default `{}`",
    "description": "{}",
}


def render() -> str:
    document = build_document(all_routes())
    schemas = document["components"]["schemas"]
    legend = "".join(f"| {status} | {meaning} |\n" for status, meaning in REFUSALS.items())
    operations = "".join(
        _operation(method.upper(), path, says, schemas)
        for path, methods in document["paths"].items()
        for method, says in methods.items()
        if method != "head"
    )
    types = "".join(_type(name, schema) for name, schema in schemas.items() if not name.endswith("Query"))
    return f"{INTRODUCTION}{legend}\n{operations}## Types\n\n{types}".rstrip("\n") + "\n"


def _operation(method: str, path: str, says: Json, schemas: Mapping[str, Json]) -> str:
    scope = f"Scope `{says['x-scope']}`" if "x-scope" in says else "Open to everybody"
    example = EXAMPLES[method, path]
    parts = [
        f"## {method} {path}\n",
        f"{says['summary']}. {scope}.\n",
        says["description"] + "\n",
        f"```sh\n{example.command}\n```\n",
        _where(example, path),
        _parameters(says["parameters"]),
        *_body(says),
        *_answers(says["responses"]),
        f"Refused: {', '.join(_refused(says['responses']))}.\n",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _where(example: Example, path: str) -> str:
    return f"The job of this example {_JOBS[example.job]}.\n" if "{job_id}" in path else ""


def _parameters(parameters: list[Json]) -> str:
    if not parameters:
        return ""
    rows = "".join(
        f"| `{each['name']}` | {each['in']} | {_words(each['schema'])} | {_about(each)} |\n" for each in parameters
    )
    return "| parameter | in | type | |\n|---|---|---|---|\n" + rows


def _about(parameter: Json) -> str:
    described = str(parameter.get("description", parameter["name"]))
    return _limits(parameter["schema"]) if described == parameter["name"] else described


def _body(says: Json) -> Iterator[str]:
    if "requestBody" in says:
        yield f"Body: {_words(says['requestBody']['content']['application/json']['schema'])}.\n"


def _answers(responses: Mapping[str, Json]) -> Iterator[str]:
    for status, answer in responses.items():
        content = answer.get("content", {})
        if PROBLEM_JSON not in content:
            kinds = " or ".join(
                _words(media["schema"]) if name == "application/json" and "$ref" in media["schema"] else f"`{name}`"
                for name, media in content.items()
            )
            yield f"Answer {status}: {kinds or 'no body'}.\n"


def _refused(responses: Mapping[str, Json]) -> Iterator[str]:
    for status, answer in responses.items():
        if PROBLEM_JSON in answer.get("content", {}):
            assert status in REFUSALS, f"docs/http-api.md does not say what {status} means"
            yield status


def _type(name: str, schema: Json) -> str:
    about = f"### {name}\n\n{schema.get('description', '')}\n".rstrip("\n") + "\n\n"
    if "properties" not in schema:
        return f"{about}{_words(schema)}\n\n"
    if not schema["properties"]:
        return about
    rows = "".join(_field(field, kind, field in schema["required"]) for field, kind in schema["properties"].items())
    return f"{about}| field | type | |\n|---|---|---|\n{rows}\n"


def _field(name: str, schema: Json, required: bool) -> str:
    notes = ", ".join(filter(None, ["always there" if required else "", _limits(schema)]))
    return f"| `{name}` | {_words(schema)} | {notes} |\n"


def _limits(schema: Json) -> str:
    return ", ".join(
        words.format(str(schema[key]).replace("|", r"\|")) for key, words in _LIMITS.items() if key in schema
    )


def _words(schema: Json) -> str:
    """Return a schema in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(SCHEMAS)
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_words(each) for each in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_words(schema.get('items', {}))}"
    if isinstance(values := schema.get("additionalProperties"), dict):
        return f"object of {_words(cast('Json', values))}"
    return str(schema.get("format") or schema.get("type") or "any JSON")


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
