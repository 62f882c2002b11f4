"""A server, an API and a supervisor that reach it through a proxy, and somebody who posts jobs all the time."""

import time
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

import redis
from msgspec import Struct

from jobworker.cli.chaos.proxy import Proxy
from jobworker.store.settings import RedisSettings
from jobworker.supervisor.beatfile import Beat, BeatFile
from jobworker.supervisor.files import beat_file
from tests.support.api_process import ApiProcess, running_api
from tests.support.command import Command
from tests.support.redis_server import RedisServer
from tests.support.reply import Reply
from tests.support.supervisor_process import Workplace

USER, PASSWORD = "product", "right"
#: What docs/operations.md says that our user needs, and nothing else: neither CONFIG nor INFO.
PERMISSIONS = "~jobworker:* -@all +@read +@write +@connection +@transaction -@dangerous +eval +evalsha +time"
#: Short: the troubles are, too.
TIMEOUT_SECONDS = 0.5
#: Between two posts.
POST_SECONDS = 0.05


class Answer(Struct, frozen=True):
    """What somebody who posted a job was told, and after which time."""

    reply: Reply
    seconds: float

    @property
    def accepted_id(self) -> str | None:
        return self.reply.json["id"] if self.reply.status == 202 else None


class Stage:
    """Everything real; the product's user in Redis may do what the manual asks for and no more."""

    def __init__(self, server: RedisServer, proxy: Proxy, api: ApiProcess, place: Workplace) -> None:
        self.server = server
        self.proxy = proxy
        self.api = api
        self.place = place
        # Of the tests; not through the proxy, and by another user.
        self.admin: Any = place.client
        timeouts = ("--redis-timeout", str(TIMEOUT_SECONDS))
        self.url = _url(proxy)
        self.supervisor: Command = place.start("--redis", self.url, *timeouts)

    def post(self, kind: str, payload: Any = None) -> Answer:
        began = time.monotonic()
        reply = self.api.post("/jobs", {"type": kind, "payload": payload})
        return Answer(reply, time.monotonic() - began)

    def submit(self, kind: str, payload: Any = None) -> str:
        """Post a job that is accepted; return its id."""
        answer = self.post(kind, payload)
        assert answer.accepted_id is not None, answer.reply
        return answer.accepted_id

    def job(self, job_id: str) -> dict[str, Any]:
        """Return what the API says of the job, be it the job or why it cannot tell."""
        reply = self.api.request("GET", f"/jobs/{job_id}")
        assert reply.status in (200, 503), reply
        said: dict[str, Any] = reply.json
        return said

    def has_succeeded(self, job_id: str) -> bool:
        return bool(self.job(job_id)["status"] == "succeeded")

    def beat(self) -> Beat:
        """Return the supervisor's last sign of life for those who watch this host."""
        beat = BeatFile(beat_file(self.place.folder / "state", "one")).read()
        assert beat is not None
        return beat

    def kill_clients(self) -> None:
        # redis-py knows no USER there.
        self.admin.execute_command("CLIENT", "KILL", "USER", USER)

    def configure(self, name: str, value: str) -> None:
        """Set what one that loads its data lets be set, on a connection of its own."""
        with redis.Redis(port=self.server.port) as client:
            client.config_set(name, value)

    def loop_for_ever(self) -> None:
        with suppress(redis.ResponseError), redis.Redis(port=self.server.port) as client:
            client.eval("while true do end", 0)

    def kill_script(self) -> None:
        with redis.Redis(port=self.server.port) as client:
            client.script_kill()


class Poster:
    """Posts a job again and again and remembers each answer."""

    def __init__(self, stage: Stage) -> None:
        self.answers: list[Answer] = []
        self._stage = stage
        self._over = Event()
        self._thread = Thread(target=self._post)

    @property
    def accepted(self) -> list[str]:
        return [answer.accepted_id for answer in self.answers if answer.accepted_id is not None]

    @property
    def refusals(self) -> list[str]:
        return [answer.reply.json["detail"] for answer in self.answers if answer.reply.status != 202]

    def __enter__(self) -> "Poster":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _post(self) -> None:
        while not self._over.wait(POST_SECONDS):
            self.answers.append(self._stage.post("echo", len(self.answers)))


@contextmanager
def running_stage(folder: Path) -> Generator[Stage]:
    """Run everything until the end of the block."""
    (folder / "redis").mkdir()
    server = RedisServer(folder / "redis", options=("--user", USER, "on", f">{PASSWORD}", *PERMISSIONS.split()))
    server.start()
    with closing(server), _on(server, folder) as stage:
        yield stage


@contextmanager
def _on(server: RedisServer, folder: Path) -> Generator[Stage]:
    with closing(Proxy(server.port)) as proxy:
        settings = RedisSettings(url=_url(proxy), timeout=TIMEOUT_SECONDS)
        with running_api(settings) as api, closing(Workplace(server, folder)) as place:
            stage = Stage(server, proxy, api, place)
            stage.supervisor.wait_for("redis and we agree")
            yield stage


def _url(proxy: Proxy) -> str:
    return f"redis://{USER}:{PASSWORD}@127.0.0.1:{proxy.port}/0"
