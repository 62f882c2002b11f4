"""One connection for script calls, one at a time, without the layers of a client: half the price of a call."""

import asyncio
from collections.abc import Awaitable, Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final, Protocol

import redis.asyncio
from redis.exceptions import RedisError

#: What redis-py and the socket raise.
FOREIGN: Final = (RedisError, OSError, TimeoutError)

Argument = str | bytes | int | float


def _find_pack() -> Callable[[tuple[Argument, ...]], bytes] | None:
    # redis-py packs in C for its blocking clients only. Without the extra `speed` there is no hiredis.
    pack: Callable[[tuple[Argument, ...]], bytes] | None = None
    if find_spec("hiredis") is not None:
        pack = import_module("hiredis").pack_command
    return pack


_pack: Final = _find_pack()


class Caller(Protocol):
    """What a script is run on: a client of redis-py, or a wire."""

    def evalsha(self, sha: str, numkeys: int, *keys_and_args: Argument) -> Awaitable[Any]:
        """Run a script that the server knows."""
        ...

    def eval(self, script: str, numkeys: int, *keys_and_args: Argument) -> Awaitable[Any]:
        """Run a script and let the server know it."""
        ...

    async def aclose(self) -> None:
        """Close the connection."""


class Wire:
    """Owns a connection; a call that fails, is cancelled or lasts too long closes it, and the next opens another.

    redis-py connects, says hello, packs and reads; what is left out is its pool, its retries and its own timeouts
    (two tasks a call).
    """

    def __init__(self, client: redis.asyncio.Redis, *, timeout_seconds: float) -> None:
        self._pool: Final[Any] = client.connection_pool
        self._timeout_seconds = timeout_seconds
        self._connection: Any = None

    async def evalsha(self, sha: str, numkeys: int, *keys_and_args: Argument) -> Any:
        """Run a script that the server knows. Raises what redis-py raises, and TimeoutError."""
        return await self._call("EVALSHA", sha, numkeys, *keys_and_args)

    async def eval(self, script: str, numkeys: int, *keys_and_args: Argument) -> Any:
        """Run a script and let the server know it."""
        return await self._call("EVAL", script, numkeys, *keys_and_args)

    async def aclose(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)

    async def _call(self, *command: Argument) -> Any:
        if self._connection is None or not self._connection.is_connected:
            self._connection = await self._connect()
        connection = self._connection
        packed = connection.pack_command(*command) if _pack is None else [_pack(command)]
        # What fails in here closes the connection: its answer could otherwise be taken for that of the next call.
        async with asyncio.timeout(self._timeout_seconds):
            await connection.send_packed_command(packed, check_health=False)
            return await connection.read_response()

    async def _connect(self) -> Any:
        connection = self._pool.make_connection()
        await connection.connect()
        # From here on ours is the only clock; its own would make a task of each write.
        connection.socket_timeout = None
        return connection


class SharedWire(Wire):
    """A wire whose callers know nothing of each other: they take turns."""

    def __init__(self, client: redis.asyncio.Redis, *, timeout_seconds: float) -> None:
        super().__init__(client, timeout_seconds=timeout_seconds)
        self._turn = asyncio.Lock()

    async def _call(self, *command: Argument) -> Any:
        async with self._turn:
            return await super()._call(*command)
