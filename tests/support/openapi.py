"""The document of all routes, as the tests keep it: `python -m tests.support.openapi` writes it anew."""

from pathlib import Path

import msgspec

from jobworker.api.openapi import build_document
from tests.support.routes import all_routes

COMMAND = "python -m tests.support.openapi"
SNAPSHOT = Path(__file__).parents[1] / "unit" / "api" / "openapi.json"


def render() -> str:
    document = build_document(all_routes())
    return msgspec.json.format(msgspec.json.encode(document), indent=1).decode() + "\n"


if __name__ == "__main__":
    SNAPSHOT.write_text(render(), encoding="utf-8")
