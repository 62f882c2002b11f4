"""GET /openapi.json."""

from typing import Any

import msgspec
from openapi_spec_validator import validate

from jobworker.store.catalogue import HandlerEntry
from tests.support.openapi import COMMAND, SNAPSHOT, render
from tests.support.routes import all_responders
from tests.unit.api.conftest import Api

HOSTILE: list[dict[str, Any]] = [
    {},
    {"type": 5},
    {"$ref": "http://example.invalid/x"},
    {"$ref": "#/$defs/missing"},
    {"$ref": "#/$defs/a", "$defs": {"a": {"type": "object", "properties": {"$ref": {"type": "string"}}}}},
    {"$defs": {"a": {"$ref": "#"}}, "properties": {"next": {"$ref": "#/$defs/a"}}},
    {"$id": "http://example.invalid/x", "$defs": {"a": {"$anchor": "b"}}, "$ref": "#b"},
    {"const": {"$ref": "http://example.invalid/data"}},
    {"type": "integer", "default": "none"},
    {"discriminator": 5, "xml": 6, "externalDocs": 7, "$schema": "https://json-schema.org/draft/2020-12/schema"},
    {"examples": [{"width": 1}], "properties": {"width": {"type": "integer", "minimum": 1}}},
    {"description": "</script><script>alert(1)</script>", "title": "\u2028"},
]


def test_the_document_is_valid_whatever_handlers_publish(api: Api) -> None:
    entries = [
        HandlerEntry(type=f"hostile-{number}", schema=schema, description="It <b>does</b>.")
        for number, schema in enumerate(HOSTILE)
    ]
    entries += [HandlerEntry(type=name, schema={}) for name in ("echo", "0._-", "x" * 128, "JobView")]
    for entry in entries:
        api.publish_entry(entry)
    document = api.get("/openapi.json").json
    validate(document)
    assert {f"job.{entry.type}" for entry in entries} <= document["components"]["schemas"].keys()


def test_a_job_in_a_request_is_one_of_the_types_that_can_be_run(api: Api) -> None:
    sized = {"$ref": "#/$defs/Size", "$defs": {"Size": {"type": "object", "examples": [{"width": 3}]}}}
    api.publish_entry(HandlerEntry(type="resize", schema=sized, description="Resize an image."))
    api.publish_entry(HandlerEntry(type="echo", schema={}))
    schemas = api.get("/openapi.json").json["components"]["schemas"]
    names = [one["$ref"].rpartition("/")[2] for one in schemas["JobRequest"]["oneOf"]]
    assert names == ["job.echo", "job.resize"]
    assert schemas["job.resize"]["required"] == ["type"]
    assert schemas["job.echo"]["required"] == []
    assert schemas["job.resize"]["description"] == "Resize an image."
    assert schemas["job.resize"]["examples"] == [{"type": "resize", "payload": {"width": 3}}]
    assert schemas["payload.resize"]["$ref"] == "#/components/schemas/payload.resize/$defs/Size"


def test_every_operation_stands_in_it(api: Api) -> None:
    paths = api.get("/openapi.json").json["paths"]
    described = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert described == {(method, path) for method, path, _ in all_responders()}


def test_a_client_that_has_it_is_told_so(api: Api) -> None:
    first = api.get("/openapi.json")
    assert first.headers["Cache-Control"] == "no-cache"
    again = api.get("/openapi.json", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")
    api.publish("echo")
    other = Api(api.client)
    assert other.get("/openapi.json", headers={"If-None-Match": first.headers["ETag"]}).status == 200
    other.available.close()


def test_without_redis_it_tells_what_does_not_depend_on_it(api: Api) -> None:
    api.publish("echo")
    api.lose_redis("away")
    document = api.get("/openapi.json").json
    validate(document)
    assert "oneOf" not in document["components"]["schemas"]["JobRequest"]


def test_what_it_says_changes_only_when_somebody_means_it() -> None:
    validate(msgspec.json.decode(render()))
    assert SNAPSHOT.read_text(encoding="utf-8") == render(), f"if it should: {COMMAND}"


def test_a_payload_that_does_not_fit_is_refused_at_the_door(api: Api) -> None:
    schema = {"type": "object", "properties": {"width": {"type": "integer"}}, "required": ["width"]}
    api.publish_entry(HandlerEntry(type="resize", schema=schema))
    refused = api.post("/jobs", {"type": "resize", "payload": {"width": "wide"}})
    assert refused.status == 422
    assert [error["pointer"] for error in refused.json["errors"]] == ["/payload/width"]
    assert api.get("/jobs").json["items"] == []
    assert api.post("/jobs", {"type": "resize", "payload": {"width": 3}}).status == 202
