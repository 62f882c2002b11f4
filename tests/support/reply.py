"""What a test gets back from the API, over the network or without one."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct


class Reply(Struct):
    """Status, headers and body of an answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)
