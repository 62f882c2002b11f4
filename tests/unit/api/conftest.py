"""The application over a store, asked without a network."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import Event
from typing import Any

import msgspec
import pytest
import redis
from falcon import testing

from jobworker.api.app import create_app
from jobworker.api.availability import Availability
from jobworker.api.headers import STREAM, WAITED_SECONDS
from jobworker.store.catalogue import HandlerDefaults, HandlerEntry
from jobworker.store.claims import Wanted
from jobworker.store.errors import StoreUnavailable
from jobworker.store.incarnation import Incarnation, Registration, Terms
from jobworker.store.jobs import JobStore
from jobworker.store.keys import Keys
from jobworker.store.retention import Retention
from jobworker.store.roster import Roster
from jobworker.store.scripts import Argument, script
from jobworker.store.settings import Settings
from tests.support.redis_source import RedisSource
from tests.support.reply import Reply

JSON = {"Content-Type": "application/json"}


class Api:
    """The application, and the Redis under it."""

    def __init__(self, client: redis.Redis, settings: Settings | None = None, store: JobStore | None = None) -> None:
        self.client = client
        self.keys = Keys()
        self.store = store or JobStore(client, self.keys, Retention())
        self.away = Event()
        self._outage = "Redis is not reachable: test"
        self.available = Availability(self._probe)
        self._client = testing.TestClient(create_app(self.store, self.available, settings or Settings()))

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        host: str = "localhost",
        waited_seconds: float = 0.0,
        stream: object = None,
    ) -> Reply:
        result = self._client.simulate_request(
            method,
            path,
            body=body,
            headers=dict(headers or {}),
            host=host,
            remote_addr="127.0.0.1",
            extras={WAITED_SECONDS: waited_seconds, STREAM: stream},
        )
        return Reply(result.status_code, result.headers, result.content)

    def get(self, path: str, **options: Any) -> Reply:
        return self.request("GET", path, **options)

    def post(self, path: str, body: Any = None) -> Reply:
        """Post a JSON body: bytes as they are, anything else encoded."""
        raw = body if isinstance(body, bytes | None) else msgspec.json.encode(body)
        return self.request("POST", path, raw, JSON if raw else None)

    def delete(self, path: str) -> Reply:
        return self.request("DELETE", path)

    def submit(self, **body: Any) -> str:
        """Post a job; return its id."""
        job_id: str = self.post("/jobs", body).json["id"]
        return job_id

    def publish(self, type_name: str, **defaults: Any) -> None:
        """Do what a supervisor does that can run `type_name`."""
        self.publish_entry(HandlerEntry(type=type_name, schema={}, defaults=HandlerDefaults(**defaults)))

    def publish_entry(self, entry: HandlerEntry) -> None:
        """Do it with all that the entry says."""
        record = self.keys.supervisor("publisher")
        self.client.hset(record, mapping={"epoch": 1, "lease_end": 1})
        offer: list[Argument] = [self.keys.base, "publisher", 1, 2, "{}", "", entry.type, msgspec.json.encode(entry)]
        script("publish").run(self.client, [record, self.keys.handlers], offer)
        self.client.delete(record)

    def lose_redis(self, reason: str) -> None:
        """Let a call fail as it does when Redis is away."""
        self._outage = reason
        self.away.set()
        with pytest.raises(StoreUnavailable), self.available:
            raise StoreUnavailable(reason)

    def _probe(self) -> None:
        if self.away.is_set():
            raise StoreUnavailable(self._outage)

    def stored(self, job_id: str) -> dict[bytes, bytes]:
        """Return the job's hash."""
        fields: Any = self.client.hgetall(self.keys.job(job_id))
        return dict(fields)


@pytest.fixture
def start_next(api: "Api", redis_source: RedisSource) -> Callable[[], None]:
    """Do what a supervisor does that begins the next job."""

    async def claim() -> None:
        client = redis_source.connect_async()
        who = Registration(host="host", pid=4711, version="1", workers=1)
        alpha = await Incarnation.register(client, api.keys, "alpha", who, Terms(), lock_id="lock")
        assert (await alpha.exchange(1, [], [Wanted(100)])).claims
        await client.aclose()

    return lambda: asyncio.run(claim())


@pytest.fixture
def api(redis_client: redis.Redis) -> Iterator[Api]:
    api = Api(redis_client)
    yield api
    api.available.close()


@pytest.fixture
def supervise(redis_source: RedisSource) -> Callable[..., int]:
    """Do what a supervisor does: register, beat, claim for workers; return its epoch."""

    async def live(name: str, roster: Roster, queues: str, claim_for: Sequence[int]) -> int:
        client = redis_source.connect_async()
        who = Registration(host="host", pid=4711, version="1", workers=2, queues=queues)
        incarnation = await Incarnation.register(client, Keys(), name, who, Terms(), lock_id="lock")
        await incarnation.beat(roster)
        await incarnation.exchange(1, [], [Wanted(pid) for pid in claim_for])
        await client.aclose()
        return incarnation.epoch

    def supervise(name: str, *, roster: Roster | None = None, queues: str = "", claim_for: Sequence[int] = ()) -> int:
        return asyncio.run(live(name, roster or Roster(), queues, claim_for))

    return supervise
