"""The network between the parts and the server: one proxy a part, all in a process of their own."""

import signal
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Literal

from jobworker.cli.chaos.proxy import Proxy

Order = Literal["pass_on", "black_hole", "lose_next_reply", "reset"]


class Network:
    """Owns a process with the proxies: they have threads, and we start processes, which goes badly together.

    Told:  what a part's connections are to suffer.
    Tells: where each part finds the server.
    Ends:  with `close`, or with us.
    """

    def __init__(self, target: str, names: Sequence[str]) -> None:
        """Lead to the Unix socket `target`."""
        # Not forked: whoever starts us may have threads.
        context = get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, target, names), name="network", daemon=True)
        self._process.start()
        theirs.close()
        self.urls: dict[str, str] = self._connection.recv()

    def tell(self, name: str, order: Order, **details: Any) -> None:
        """Give an order to the proxy of a part; it has taken effect when this returns."""
        self._connection.send((name, order, details))
        self._connection.recv()

    def close(self) -> None:
        """End it."""
        self._connection.close()
        self._process.join()


def _serve(orders: Connection, target: str, names: Sequence[str]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    proxies = {name: Proxy(target) for name in names}
    orders.send({name: proxy.url for name, proxy in proxies.items()})
    with suppress(EOFError, ConnectionError):
        while True:
            name, order, details = orders.recv()
            getattr(proxies[name], order)(**details)
            orders.send(None)
    for proxy in proxies.values():
        proxy.close()
