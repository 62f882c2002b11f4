"""The way to Redis: it delays, loses and cuts, and a late copy of a call still arrives. Redis itself is a real one."""

import asyncio
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final

import redis
from redis.exceptions import ConnectionError as LostConnection
from redis.exceptions import ResponseError

from tests.simulation.story import Story
from tests.simulation.virtual_time import HERE, Host, SimulatedLoop
from tests.support.scripts import CLOCK, PRELUDE, SCRIPTS

#: What Redis's clock shows when a run begins.
START_US: Final = 1_800_000_000_000_000
#: As the setting redis.timeout.
TIMEOUT_SECONDS: Final = 2.0
#: Scripts answer to the clock of the run, not to the server's.
_TIMED: Final = f"""{PRELUDE}
local redis = {{call = function(command, ...)
  if command == 'TIME' then return time() end
  return server.call(command, ...)
end}}
"""


class Odds:
    """How the network behaves at the moment."""

    def __init__(self) -> None:
        self.lose_request = 0.0
        self.lose_reply = 0.0
        #: A call or its answer is under way for up to `most_delay_seconds`.
        self.delay = 0.0
        self.most_delay_seconds = 3.0
        self.lose_hint = 0.0


class Server:
    """A real Redis on which the scripts see the clock of the run; `edit` may leave something out of them."""

    def __init__(self, client: redis.Redis, *, edit: Callable[[str], str] = str) -> None:
        self.client: Any = client
        #: Of the edited script, by that of the real one.
        self._digests: dict[str, str] = {
            digest: self.client.script_load(_TIMED + edit(known.source)) for digest, known in SCRIPTS.items()
        }
        self.loop: SimulatedLoop

    def begin(self, loop: SimulatedLoop) -> None:
        """Be empty, and go by the clock of this loop."""
        self.loop = loop
        self.client.flushdb()

    def now_us(self) -> int:
        return START_US + round((self.loop.time() - 1000.0) * 1e6)

    def name_of(self, digest: str) -> str:
        return SCRIPTS[digest].name

    def run(self, lists: Sequence[str], digest: str, key_count: int, *arguments: Any) -> tuple[Any, bool]:
        """Run a script now; return its reply, and whether there is anything in any of these lists afterwards."""
        with self.client.pipeline(transaction=False) as pipeline:
            pipeline.set(CLOCK, self.now_us())
            pipeline.evalsha(self._digests[digest], key_count, *arguments)
            pipeline.exists(CLOCK, *lists)
            _, reply, filled = pipeline.execute()
            return reply, filled > 1

    def evalsha(self, digest: str, key_count: int, *arguments: Any) -> Any:
        """Play a client of the store's clients' side."""
        return self.run((), digest, key_count, *arguments)[0]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)


class Network:
    """Owns the ways of all hosts to the server.

    Tells:  who waits for a hint, that there is one.
    """

    def __init__(self, server: Server, loop: SimulatedLoop, random: Random, story: Story) -> None:
        self.odds = Odds()
        self.cut: set[str] = set()
        #: How many jobs were taken from supervisors whose lease had ended.
        self.reaped = 0
        self._server = server
        self._loop = loop
        self._random = random
        self._story = story
        self._waiting: dict[asyncio.Future[Any], tuple[Host, Sequence[str]]] = {}

    def caller(self, host: str) -> "Caller":
        return Caller(self, host)

    async def call(self, host: Host, digest: str, key_count: int, *arguments: Any) -> Any:
        """Have a script run, or fail as a connection does."""
        answer: asyncio.Future[Any] = self._loop.create_future()
        name = self._server.name_of(digest)
        if host.dead:
            raise LostConnection("the process is dead")
        if self._random.random() < self.odds.lose_request or host.name in self.cut:
            self._story.tell(host.name, f"{name}: the request is lost")
        else:
            self._loop.call_later(self._delay(), self._arrive, host, name, answer, digest, key_count, *arguments)
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return await answer

    def _arrive(self, host: Host, name: str, answer: asyncio.Future[Any], *call: Any) -> None:
        try:
            reply, has_hints = self._server.run(self._lists(), *call)
        except ResponseError as error:
            raise AssertionError(f"{name} fails: {error}") from error
        if name == "beat" and reply[0] == b"ok":
            self.reaped += reply[4]
        late = " (too late)" if answer.done() else ""
        self._story.tell(host.name, f"{name}{_shown(reply)}{late}")
        if has_hints:
            self.look_for_hints()
        if self._random.random() < self.odds.lose_reply or host.name in self.cut:
            self._story.tell(host.name, f"{name}: the reply is lost")
        else:
            self._loop.call_later(self._delay(), _answer, answer, reply)

    def _lists(self) -> list[str]:
        return [name for _, lists in self._waiting.values() for name in lists]

    def _delay(self) -> float:
        if self._random.random() < self.odds.delay:
            return self._random.uniform(0.0, self.odds.most_delay_seconds)
        return self._random.uniform(0.0002, 0.002)

    async def pop(self, host: Host, lists: Sequence[str], seconds: float) -> Any:
        """Wait for a hint; None when there was none in time."""
        waiting: asyncio.Future[Any] = self._loop.create_future()
        self._waiting[waiting] = (host, lists)
        self.look_for_hints()
        try:
            async with asyncio.timeout(seconds):
                return await waiting
        except TimeoutError:
            return None
        finally:
            self._waiting.pop(waiting, None)

    def look_for_hints(self) -> None:
        """Deliver the hints that are there, late and in any order, but for those that get lost."""
        waiting = [(future, *who) for future, who in self._waiting.items() if not future.done()]
        self._random.shuffle(waiting)
        for future, host, lists in waiting:
            for name in lists:
                if (word := self._server.client.lpop(name)) is None:
                    continue
                del self._waiting[future]
                if self._random.random() >= self.odds.lose_hint and host.name not in self.cut and not host.dead:
                    self._loop.call_later(self._delay(), _answer, future, (name.encode(), word))
                break


def _answer(future: asyncio.Future[Any], value: Any) -> None:
    if not future.done():
        future.set_result(value)


def _shown(reply: Any) -> str:
    if isinstance(reply, bytes):
        return f" -> {reply.decode()}"
    if isinstance(reply, list):
        return f" -> [{', '.join(_shown(item).removeprefix(' -> ') for item in reply)}]"
    return "" if reply is None else f" -> {reply}"


class Caller:
    """Plays a connection of a supervisor, for scripts and for hints."""

    def __init__(self, network: Network, host: str) -> None:
        self._network = network
        self._name = host

    @property
    def _host(self) -> Host:
        host = HERE.get()
        assert host is not None
        assert host.name == self._name
        return host

    async def evalsha(self, digest: str, key_count: int, *arguments: Any) -> Any:
        return await self._network.call(self._host, digest, key_count, *arguments)

    async def blpop(self, lists: Sequence[str], timeout: float) -> Any:  # noqa: ASYNC109 - redis-py's word
        return await self._network.pop(self._host, lists, timeout)

    async def aclose(self) -> None:
        """Nothing is open."""

    def pipeline(self) -> "Pushes":
        return Pushes(self._network)


class Pushes:
    """Plays the pipeline by which a hint is put back."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._pipeline = network._server.client.pipeline()

    async def __aenter__(self) -> "Pushes":
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing is open."""

    def __getattr__(self, command: str) -> Any:
        return getattr(self._pipeline, command)

    async def execute(self) -> None:
        self._pipeline.execute()
        self._network.look_for_hints()
