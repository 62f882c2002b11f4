"""The Lua scripts: loaded from lua/, run by their digest, sent whole only when the server does not know them."""

import re
from functools import cache
from hashlib import sha1
from importlib.resources import files
from typing import Any

import redis
from redis.exceptions import NoScriptError

from jobworker.store.wire import Argument, Caller

__all__ = ["Argument", "Script", "script"]

_INCLUDE = re.compile(r"^-- include: (\w+)$", re.MULTILINE)


class Script:
    """One transition: a file of lua/ with the includes it names put in front of use."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.source = _INCLUDE.sub(lambda match: _read(f"includes/{match[1]}"), _read(name))
        # Redis names scripts by SHA-1; nothing here depends on its strength.
        self.digest = sha1(self.source.encode(), usedforsecurity=False).hexdigest()

    def run(self, client: redis.Redis, keys: list[str], arguments: list[Argument]) -> Any:
        """Run the script; a server that has lost it (restart, failover) gets it again."""
        try:
            return client.evalsha(self.digest, len(keys), *keys, *arguments)
        except NoScriptError:
            return client.eval(self.source, len(keys), *keys, *arguments)

    async def run_async(self, client: Caller, keys: list[str], arguments: list[Argument]) -> Any:
        """Do the same in an asyncio loop."""
        try:
            return await client.evalsha(self.digest, len(keys), *keys, *arguments)
        except NoScriptError:
            return await client.eval(self.source, len(keys), *keys, *arguments)


@cache
def script(name: str) -> Script:
    """Return the script of lua/<name>.lua, read once."""
    return Script(name)


def _read(name: str) -> str:
    return (files("jobworker.store") / "lua" / f"{name}.lua").read_text(encoding="utf-8")
