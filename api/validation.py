"""Payloads against the schemas that handlers publish, at the door."""

from collections import OrderedDict
from hashlib import blake2b
from threading import Lock
from typing import Any, Final

import jsonschema_rs
import msgspec
import structlog

from jobworker.api.errors import InvalidBody

#: How many compiled schemas a process keeps: more types than most have, some MB.
KEPT_SCHEMAS: Final = 1000
#: How much of a validator's sentence is told: it repeats what came.
DETAIL_CHARACTERS: Final = 500

log = structlog.stdlib.get_logger(__name__)


class Validators:
    """Compiles each schema once, for all threads of the process."""

    def __init__(self, *, keep: int = KEPT_SCHEMAS) -> None:
        self._keep = keep
        self._compiled: OrderedDict[bytes, jsonschema_rs.Validator | None] = OrderedDict()
        self._lock = Lock()

    def check(self, schema: dict[str, Any], payload: bytes) -> None:
        """Raise InvalidBody unless the payload (valid JSON) fits; no schema, or none that can be read, allows any."""
        if not schema:
            return
        validator = self._validator(schema)
        if validator is None:
            return
        error = next(iter(validator.iter_errors(msgspec.json.decode(payload))), None)
        if error is not None:
            steps = "".join(f"/{_escaped(step)}" for step in error.instance_path)
            raise InvalidBody(f"payload: {error.message}"[:DETAIL_CHARACTERS], pointer=f"/payload{steps}")

    def has_sound(self, schema: dict[str, Any]) -> bool:
        """Whether it is a schema, and all that it refers to is in it."""
        return not schema or self._validator(schema) is not None

    def _validator(self, schema: dict[str, Any]) -> jsonschema_rs.Validator | None:
        digest = blake2b(msgspec.json.encode(schema), digest_size=16).digest()
        with self._lock:
            if digest in self._compiled:
                self._compiled.move_to_end(digest)
                return self._compiled[digest]
        validator = _compile(schema)
        with self._lock:
            self._compiled[digest] = validator
            if len(self._compiled) > self._keep:
                self._compiled.popitem(last=False)
        return validator


def _compile(schema: dict[str, Any]) -> jsonschema_rs.Validator | None:
    try:
        return jsonschema_rs.validator_for(schema, retriever=_never)
    except Exception as error:
        # Whatever is wrong with it: its jobs are checked by their worker.
        log.warning("a handler's schema cannot be used", error=str(error)[:DETAIL_CHARACTERS])
        return None


def _never(address: str) -> Any:
    raise ValueError(f"refers to {address[:100]}, and nothing is fetched")


def _escaped(step: str | int) -> str:
    return str(step).replace("~", "~0").replace("/", "~1")
