"""The one call of Redis that a POST comes to, as programs that know nothing of us read it: a file of JSON.

    {"script": Lua, "keys": […], "arguments": […]}

Two of the arguments stand for what is another with each request: `ID` and `PAYLOAD`.
"""

import json
from pathlib import Path
from typing import Any, Final

ID: Final = "<id>"
PAYLOAD: Final = "<payload>"


class Call:
    """The call, ready to be filled in. Imports nothing but the standard library: peers run it, too."""

    def __init__(self, file: str) -> None:
        call: dict[str, Any] = json.loads(Path(file).read_text(encoding="utf-8"))
        self.script: str = call["script"]
        self.keys: list[str] = call["keys"]
        self._arguments: list[Any] = call["arguments"]
        self._id, self._payload = self._arguments.index(ID), self._arguments.index(PAYLOAD)

    def values(self, job_id: str, payload: str) -> list[Any]:
        """Return keys and arguments for one job."""
        arguments = list(self._arguments)
        arguments[self._id], arguments[self._payload] = job_id, payload
        return [*self.keys, *arguments]
