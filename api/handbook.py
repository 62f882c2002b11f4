"""What the document says of the types that supervisors can run now: each has a request of its own."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec

from jobworker.api.openapi import SCHEMAS, Json
from jobworker.api.relocation import Immovable, relocate
from jobworker.api.validation import Validators
from jobworker.store.catalogue import HandlerEntry

#: The component that stands for any job in a request, in a batch and in a schedule too.
REQUEST: Final = "JobRequest"


class Handbook:
    """Completes a document by the types."""

    def __init__(self, document: Json, validators: Validators, default_type: str) -> None:
        self._document = document
        self._validators = validators
        self._default_type = default_type

    def render(self, entries: Iterable[HandlerEntry]) -> bytes:
        """Return the document in which a job in a request is one of these types; without any: of any type."""
        known = sorted(entries, key=lambda entry: entry.type)
        components: dict[str, Json] = dict(self._document["components"]["schemas"])
        plain = components[REQUEST]
        for entry in known:
            components[f"payload.{entry.type}"] = self._payload(entry)
            components[f"job.{entry.type}"] = self._request(entry, plain)
        if known:
            choice = [{"$ref": f"{SCHEMAS}job.{entry.type}"} for entry in known]
            components[REQUEST] = {"title": REQUEST, "description": plain["description"], "oneOf": choice}
        parts = {**self._document["components"], "schemas": components}
        return msgspec.json.encode({**self._document, "components": parts})

    def _payload(self, entry: HandlerEntry) -> Json:
        if self._validators.has_sound(entry.schema):
            with suppress(Immovable):
                return relocate(entry.schema, f"{SCHEMAS}payload.{entry.type}")
        return {"description": "its schema cannot stand in this document: GET /handlers shows it"}

    def _request(self, entry: HandlerEntry, plain: Mapping[str, Any]) -> Json:
        payload = {"$ref": f"{SCHEMAS}payload.{entry.type}"}
        properties = {**plain["properties"], "type": {"const": entry.type}, "payload": payload}
        # Who sends no type gets the default, who sends no payload sends null.
        required = [] if entry.type == self._default_type else ["type"]
        description = entry.description or f"A job of type {entry.type}."
        examples = [{"type": entry.type, **_example(entry.schema)}]
        return {
            **plain,
            "title": entry.type,
            "description": description,
            "properties": properties,
            "required": required,
            "examples": examples,
        }


def _example(schema: Mapping[str, Any]) -> Json:
    """Return the payload of an example, if the author gives one."""
    examples = schema.get("examples")
    if not isinstance(examples, list) and isinstance(schema.get("$ref"), str):
        name = schema["$ref"].rpartition("/")[2]
        examples = schema.get("$defs", {}).get(name, {}).get("examples")
    return {"payload": examples[0]} if isinstance(examples, list) and examples else {}
