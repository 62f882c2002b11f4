"""The supervisor's event loop: asyncio's, cured of a thread that outlives its use and of an error at a lost connection.

asyncio resolves host names in an executor whose thread then stays; a fork beside threads is unsafe and warns from
Python 3.12. Here a look-up is one thread, joined; forks wait for it.
"""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterable
from typing import Any

from jobworker.supervisor.lag import LagSelector


class SupervisorLoop(asyncio.SelectorEventLoop):
    """An event loop that knows when the process is single-threaded."""

    def __init__(self) -> None:
        #: How long it was blocked.
        self.lag = LagSelector()
        super().__init__(self.lag)
        self._resolving = 0
        self._after_resolving: list[Callable[[], object]] = []

    def when_single_threaded(self, action: Callable[[], object]) -> None:
        """Call `action` now, or as soon as no look-up of a host name is running."""
        if self._resolving:
            self._after_resolving.append(action)
        else:
            action()

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        """Resolve in a thread of its own that has ended when this returns."""
        answer: asyncio.Future[Any] = self.create_future()

        def look_up() -> None:
            try:
                found: Any = socket.getaddrinfo(host, port, **options)
            except Exception as error:
                found = error
            self.call_soon_threadsafe(_answer, answer, found)

        self._resolving += 1
        thread = threading.Thread(target=look_up, name="resolver", daemon=True)
        thread.start()
        try:
            # Shielded: a caller that gives up must not let a fork happen beside the thread.
            return await asyncio.shield(answer)
        finally:
            if answer.done():
                self._join(thread)
            else:
                answer.add_done_callback(lambda _: self._join(thread))

    async def create_connection(self, *where: Any, **options: Any) -> Any:
        """Connect; the transport bears a connection that gets lost."""
        return _robust(await super().create_connection(*where, **options))

    async def create_unix_connection(self, *where: Any, **options: Any) -> Any:
        """Connect; the transport bears a connection that gets lost."""
        return _robust(await super().create_unix_connection(*where, **options))

    def _join(self, thread: threading.Thread) -> None:
        thread.join()
        self._resolving -= 1
        if not self._resolving:
            actions, self._after_resolving = self._after_resolving, []
            for action in actions:
                self.call_soon(action)


def _answer(future: "asyncio.Future[Any]", found: Any) -> None:
    if isinstance(found, Exception):
        future.set_exception(found)
        future.exception()  # seen: whoever waited may have given up
    else:
        future.set_result(found)


def _robust(connection: tuple[asyncio.Transport, asyncio.BaseProtocol]) -> Any:
    # From Python 3.12 on `writelines` fails with an AttributeError on a connection that was reset meanwhile, where
    # `write` leaves it to the reader to say so (python/cpython#136234, cured in 3.13.6).
    transport, _ = connection

    def writelines(list_of_data: Iterable[Any]) -> None:
        transport.write(b"".join(list_of_data))

    transport.writelines = writelines  # type: ignore[method-assign] # of this one transport
    return connection
