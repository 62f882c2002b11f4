"""The JSON Schema that a table gives for its payloads: published like any other, and checked before the job runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from jobworker.handlers.errors import InvalidDeclaration, InvalidPayload
from jobworker.handlers.schema import require_publishable


class PayloadSchema:
    """A schema, compiled."""

    def __init__(self, schema: dict[str, Any]) -> None:
        """Raises InvalidDeclaration."""
        # Imported where there is a schema: it takes 8 MB.
        import jsonschema_rs

        require_publishable(schema)
        try:
            self._validator = jsonschema_rs.validator_for(schema)
        except ValueError as error:
            raise InvalidDeclaration(f"has a schema that is none: {_first_line(error)}") from None

    def check(self, payload: bytes) -> None:
        """Raise InvalidPayload unless a payload fits."""
        error = next(self._validator.iter_errors(msgspec.json.decode(payload)), None)
        if error is not None:
            where = f"{error.message} - at `{_path(error.instance_path)}`"
            raise InvalidPayload.misfit("its schema", where, payload)


def read_schema(declared: dict[str, Any] | str, folder: Path) -> dict[str, Any]:
    """Return a schema that stands in the table, or in the file that the table names. Raises InvalidDeclaration."""
    if isinstance(declared, dict):
        return declared
    file = folder / declared
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
    except OSError as error:
        raise InvalidDeclaration(f"names the schema {file}, which cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidDeclaration(f"names the schema {file}, which is no JSON object: {error}") from None


def _path(steps: Sequence[str | int]) -> str:
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
