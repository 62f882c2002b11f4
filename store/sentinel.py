"""A server that Sentinels watch over: whoever connects asks them first which one is the master now."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Self, cast
from urllib.parse import unquote, urlsplit

import redis
import redis.asyncio
import redis.asyncio.sentinel
import redis.sentinel
from msgspec import Struct
from redis.connection import parse_url  # pyright: ignore[reportUnknownVariableType]  # untyped there

from jobworker.store.errors import StoreError, StoreMisconfigured, StoreUnavailable
from jobworker.store.wire import FOREIGN

#: `sentinels` speaks TLS to the Sentinels and to the servers.
SCHEMES: Final = ("sentinel", "sentinels")
DEFAULT_PORT: Final = 26379
#: How many Sentinels, at least, can be asked within the time that a call may take.
ASKED_IN_TIME: Final = 4

Address = tuple[str, int]
Explain = Callable[[Exception], StoreError]


class SentinelUrl(Struct, frozen=True):
    """`sentinel://[user:password@]host[:port],…/service[/db][?option=value&…]`, read.

    User and password are those of the servers; the Sentinels have `sentinel_username` and `sentinel_password`.
    """

    sentinels: tuple[Address, ...]
    service: str
    #: Of connections to the servers, and to the Sentinels, in the words of redis-py.
    options: dict[str, Any]
    sentinel_options: dict[str, Any]

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read a URL. Raises ValueError."""
        parts = urlsplit(url)
        credentials, at, hosts = parts.netloc.rpartition("@")
        service, _, database = parts.path.strip("/").partition("/")
        if not service or not hosts:
            raise ValueError("it must name a Sentinel and a service")
        tls = parts.scheme == "sentinels"
        # redis-py reads what all its URLs have in common.
        plain = f"redis{'s' if tls else ''}://{credentials}{at}server/{database}?{parts.query}"
        read = cast("dict[str, Any]", parse_url(plain))  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
        options = {name: value for name, value in read.items() if name not in ("host", "connection_class")}
        found = {name: options.pop(f"sentinel_{name}", None) for name in ("username", "password")}
        shared = {name: value for name, value in options.items() if name.startswith("ssl_")}
        asked = {name: value for name, value in found.items() if value is not None}
        sentinels = tuple(_address(host) for host in hosts.split(","))
        return cls(sentinels, unquote(service), {**options, "ssl": tls}, {**asked, **shared, "ssl": tls})


def is_sentinel_url(url: str) -> bool:
    """Whether the URL names Sentinels and not a server."""
    return url.partition("://")[0] in SCHEMES


class Survey:
    """What the Sentinels have said of one service, one after the other."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._known: set[str] = set()
        self._refusals: list[tuple[Address, StoreError]] = []
        self._has_answer = self._is_down = False

    def master(self, masters: Mapping[str, Any]) -> Address | None:
        """Hear one; return where it says that the master is, None if it does not know or holds it for down."""
        self._has_answer = True
        self._known |= masters.keys()
        state = masters.get(self._service)
        if state is None:
            return None
        if state["is_sdown"] or state["is_odown"] or not state["is_master"]:
            self._is_down = True
            return None
        return state["ip"], state["port"]

    def refused(self, address: Address, error: StoreError) -> None:
        """Hear that one has not answered."""
        self._refusals.append((address, error))

    def failure(self) -> StoreError:
        """Return why no master was named."""
        if self._is_down:
            why = "the Sentinels hold its master for down, and a failover may be under way"
            return StoreUnavailable(f"the service {self._service} has no master at the moment: {why}")
        words = [f"{host}:{port}: {error}" for (host, port), error in self._refusals]
        if self._has_answer:
            known = ", ".join(sorted(self._known)) or "none"
            words.insert(0, f"no Sentinel that answers knows the service {self._service}; they know: {known}")
        sentence = "; ".join(words)
        # Waiting cures what is out of reach, and nothing else.
        if any(isinstance(error, StoreUnavailable) for _, error in self._refusals):
            return StoreUnavailable(f"no Sentinel names the master: {sentence}")
        return StoreMisconfigured(sentence)


class _Asked:
    """Owns whom to ask, in which order: who has answered last comes first. Each is connected to for one question."""

    def __init__(self, addresses: Sequence[Address], explain: Explain, options: Mapping[str, Any]) -> None:
        self._addresses = tuple(addresses)
        self._explain = explain
        self._options = options

    def _prefer(self, first: Address) -> None:
        self._addresses = (first, *(address for address in self._addresses if address != first))


class Sentinels(_Asked):
    """Asks the Sentinels in turn, for threads."""

    def discover_master(self, service: str) -> Address:
        """Return where the master is. Raises StoreUnavailable, StoreMisconfigured."""
        survey = Survey(service)
        for address in self._addresses:
            try:
                with redis.Redis(*address, **self._options) as sentinel:
                    found = survey.master(cast("dict[str, Any]", sentinel.sentinel_masters()))
            except FOREIGN as error:
                survey.refused(address, self._explain(error))
                continue
            if found is not None:
                self._prefer(address)
                return found
        raise survey.failure()


class AsyncSentinels(_Asked):
    """Does the same in an asyncio loop."""

    async def discover_master(self, service: str) -> Address:
        """Return where the master is. Raises StoreUnavailable, StoreMisconfigured."""
        survey = Survey(service)
        for address in self._addresses:
            try:
                async with redis.asyncio.Redis(host=address[0], port=address[1], **self._options) as sentinel:
                    found = survey.master(cast("dict[str, Any]", await sentinel.sentinel_masters()))
            except FOREIGN as error:
                survey.refused(address, self._explain(error))
                continue
            if found is not None:
                self._prefer(address)
                return found
        raise survey.failure()


def sentinel_pool(url: str, explain: Explain, *, in_loop: bool, **options: Any) -> Any:
    """Return a pool of redis-py that asks the Sentinels at each connect. Raises ValueError for a URL that is none.

    `in_loop`: for an asyncio loop, else for threads. `explain` finds our words for what redis-py raises.
    """
    parsed = SentinelUrl.parse(url)
    seconds: float = options["socket_connect_timeout"] / ASKED_IN_TIME
    asking = {"retry": options["retry"], "socket_timeout": seconds, "socket_connect_timeout": seconds}
    make_pool, make_sentinels = _IN_LOOP if in_loop else _IN_THREADS
    sentinels = make_sentinels(parsed.sentinels, explain, {**parsed.sentinel_options, **asking})
    return make_pool(parsed.service, sentinels, **{**options, **parsed.options})


_IN_THREADS: Final[Any] = (redis.sentinel.SentinelConnectionPool, Sentinels)
_IN_LOOP: Final[Any] = (redis.asyncio.sentinel.SentinelConnectionPool, AsyncSentinels)


def _address(text: str) -> Address:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError(f"{text!r} names no Sentinel")
    return parts.hostname, parts.port or DEFAULT_PORT
