"""A TCP proxy on loopback that breaks connections to a server as networks and crashes do."""

import asyncio
import socket
import ssl
import struct
import threading
from collections.abc import Coroutine
from typing import Any

Pair = tuple[asyncio.StreamWriter, asyncio.StreamWriter]


class Proxy:
    """Passes bytes on until it is told to do otherwise; every method has taken effect when it returns."""

    def __init__(self, target: int | str, *, tls: ssl.SSLContext | None = None) -> None:
        """Lead to a port on loopback, or to the path of a Unix socket; with `tls`, clients must speak TLS."""
        self.port = 0
        self._tls = tls
        self.replies_lost = 0
        self._target = target
        self._delay_seconds = 0.0
        #: The connections, each with the event of its end.
        self._pairs: dict[Pair, asyncio.Event] = {}
        #: How many replies are passed on before one is lost; None: all are.
        self._replies_until_loss: int | None = None
        self._replies_to_lose = 0
        self._lost_word = b""
        #: What was last asked on each connection.
        self._asked: dict[Pair, bytes] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server: asyncio.Server | None = None
        self._passing = asyncio.Event()
        self.pass_on()

    @property
    def url(self) -> str:
        """Where clients of Redis find it."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._pairs)

    def pass_on(self) -> None:
        """Be a good network again; what a black hole has held back arrives now."""
        self._do(self._pass_on())

    def lose_next_reply(self, *, after: int = 0, count: int = 1, to: bytes = b"") -> None:
        """Pass the next request on, swallow what the server answers, reset the connection; then pass on.

        `after`: how many replies arrive before. `count`: how many are lost. `to`: what the requests meant contain.
        """
        self._lost_word, self._replies_to_lose, self._replies_until_loss = to, count, after

    def black_hole(self) -> None:
        """Accept connections and bytes, deliver none until `pass_on`."""
        self._do(self._hold())

    def slow_down(self, seconds: float) -> None:
        """Deliver every reply so much later."""
        self._delay_seconds = seconds

    def reset(self) -> None:
        """Reset every open connection; new ones are welcome."""
        self._do(self._abort_all())

    def refuse(self) -> None:
        """Reset every open connection and refuse new ones, as the host of a dead server does."""
        self._do(self._close_server())

    def close(self) -> None:
        """End every connection, and the thread."""
        self._do(self._close_server())
        self._do(self._end_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=10)

    async def _pass_on(self) -> None:
        self._passing.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._join, "127.0.0.1", self.port, ssl=self._tls)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _hold(self) -> None:
        self._passing.clear()

    async def _abort_all(self) -> None:
        for pair, ended in list(self._pairs.items()):
            _abort(pair)
            await ended.wait()

    async def _close_server(self) -> None:
        if self._server is not None:
            for listening in self._server.sockets:
                self._loop.remove_reader(listening.fileno())
            # Who was accepted in this turn of the loop cannot attach to a closed server, and would stay open.
            await asyncio.sleep(0)
            self._server.close()
            self._server = None
        self._passing.set()
        await self._abort_all()

    def _must_lose(self, asked: bytes) -> bool:
        if self._replies_until_loss is None or self._lost_word not in asked:
            return False
        if self._replies_until_loss > 0:
            self._replies_until_loss -= 1
            return False
        self._replies_to_lose -= 1
        if self._replies_to_lose == 0:
            self._replies_until_loss = None
        self.replies_lost += 1
        return True

    async def _end_all(self) -> None:
        """Let those that have come get connected, and abort them then: who is cancelled before leaves a socket open."""
        while joining := asyncio.all_tasks() - {asyncio.current_task()}:
            await self._abort_all()
            await asyncio.wait(joining, timeout=0.005)
        # A closed socket is given back one turn of the loop later.
        await asyncio.sleep(0)

    async def _open_target(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._target, str):
            return await asyncio.open_unix_connection(self._target)
        return await asyncio.open_connection("127.0.0.1", self._target)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            target_reader, target_writer = await self._open_target()
        except OSError:
            _abort((writer, writer))
            return
        pair = (writer, target_writer)
        ended = self._pairs[pair] = asyncio.Event()
        self._asked[pair] = b""
        try:
            await asyncio.gather(
                self._pump(reader, target_writer, pair), self._pump(target_reader, writer, pair, replies=True)
            )
        finally:
            _abort(pair)
            del self._pairs[pair], self._asked[pair]
            ended.set()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pair: Pair, *, replies: bool = False
    ) -> None:
        try:
            while data := await reader.read(65_536):
                await self._passing.wait()
                if replies and self._delay_seconds:
                    await asyncio.sleep(self._delay_seconds)
                if not replies:
                    self._asked[pair] = data
                elif self._must_lose(self._asked[pair]):
                    break
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        # Whoever ends the connection ends both halves; what was held for the server has been passed on by now.
        await self._passing.wait()
        if replies:
            _abort(pair)
        elif writer.can_write_eof():
            writer.write_eof()


def _abort(pair: Pair) -> None:
    for writer in pair:
        connection: socket.socket | None = writer.get_extra_info("socket")
        if connection is not None and connection.fileno() != -1:
            # Linger 0 makes the close a reset.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # Also of one that is closing: it may wait for ever for its last bytes to leave.
        writer.transport.abort()
