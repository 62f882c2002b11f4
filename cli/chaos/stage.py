"""The parts that a chaos run starts, breaks and ends, all in one folder: server, network, API, supervisors."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

import psutil
from msgspec.structs import replace

from jobworker.api.brake import fate_of
from jobworker.cli.address import free_port
from jobworker.cli.chaos.jumpy import make_clock
from jobworker.cli.chaos.network import Network
from jobworker.cli.chaos.schedule import API, SERVER
from jobworker.cli.child import start_child
from jobworker.cli.embedded import EmbeddedServer, require_server
from jobworker.cli.errors import Failed, NotReachable
from jobworker.cli.http import ApiClient
from jobworker.cli.parts import Part
from jobworker.store.backoff import Backoff
from jobworker.store.configuration import environment
from jobworker.store.settings import (
    ApiSettings,
    ClientSettings,
    RedisSettings,
    Settings,
    StateSettings,
    SupervisorSettings,
)

LEASE_SECONDS: Final = 3.0
BEAT_SECONDS: Final = 0.5
API_PROCESSES: Final = 2
#: How often we look whether a part has ended.
TEND_SECONDS: Final = 0.01
START_SECONDS: Final = 60.0
END_SECONDS: Final = 10.0
#: What we kill is started again at once: it is not its fault.
AT_ONCE: Final = Backoff(base=0.0, jitter=False)
#: How ends what we kill or ask to end; a part that has just been started does not answer signals yet, and they end it.
ASKED: Final = {fate_of(0), *(fate_of(-number) for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP))}
#: A 202 means that the job is on the disk.
_ALWAYS: Final = ("--appendfsync", "always")
#: Settings of the caller must not become settings of a run.
ENVIRON: Final = {name: value for name, value in os.environ.items() if not name.startswith("JOBWORKER_")}


class Stage:
    """Owns the processes of a run.

    Told:  to hold a part back and to let it come again, to look after all (`tend`).
    Tells: who is there, and where the API is.
    Ends:  with `close`.
    """

    def __init__(self, folder: Path, supervisors: Sequence[str], workers: int) -> None:
        self.folder = folder
        self.supervisors = supervisors
        self.server = EmbeddedServer(require_server(), folder, ENVIRON, options=_ALWAYS)
        self.network = Network(self.server.address, [API, *supervisors])
        self._workers = workers
        self._listen = f"127.0.0.1:{free_port()}"
        self._held: dict[str, int] = {}
        #: What has ended although we had not killed it.
        self.ends: list[str] = []
        self.parts = {SERVER: self._part(SERVER, self.server.spawn)}
        for name in (API, *supervisors):
            make_clock(self.clock(name))
            self.parts[name] = self._part(name, partial(self._spawn, name))

    @property
    def url(self) -> str:
        """Where the API is."""
        return f"http://{self._listen}"

    @property
    def redis(self) -> RedisSettings:
        """The server, past the network."""
        return RedisSettings(url=self.server.url)

    def clock(self, name: str) -> Path:
        """Return the wall clock of a part."""
        return self.folder / f"{name}.clock"

    def start(self) -> None:
        """Start everything, and return when jobs are taken and run. Raises Failed."""
        self.parts[SERVER].start()
        self.wait_until(self.server.answers, START_SECONDS, "the server does not answer")
        for name in (API, *self.supervisors):
            self.parts[name].start()
        self.wait_until(self._is_ready, START_SECONDS, "the API or a supervisor is not ready")

    def wait_until(self, condition: Callable[[], bool], seconds: float, complaint: str) -> None:
        """Look after all parts until the condition holds. Raises Failed when it takes too long."""
        give_up_at = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > give_up_at:
                raise Failed(f"{complaint} after {seconds:g} s; {self.folder} has the logs")
            self.tend()
            time.sleep(TEND_SECONDS)

    def tend(self) -> None:
        """Start again what has ended, unless it is held back."""
        for name, part in self.parts.items():
            if part.pid is None or self._held.get(name):
                continue
            if part.due_at is None and not part.runs and part.fate not in ASKED:
                self.ends.append(f"{name} ended by itself: {part.fate}")
            part.tend()

    def hold(self, name: str) -> None:
        """Do not start it again until it is released as often as it was held."""
        self._held[name] = self._held.get(name, 0) + 1

    def release(self, name: str) -> None:
        """Let it come again."""
        self._held[name] -= 1

    def process(self, name: str) -> psutil.Process | None:
        """Return the process of a part, if it lives."""
        part = self.parts[name]
        with suppress(psutil.NoSuchProcess):
            if part.runs and part.pid is not None:
                return psutil.Process(part.pid)
        return None

    def close(self) -> None:
        """End every process, the server last."""
        for part in reversed(self.parts.values()):
            part.signal(signal.SIGCONT)
            part.signal(signal.SIGTERM)
            _end(part)
        self.network.close()
        self.server.close()

    def _part(self, name: str, spawn: Callable[[], "subprocess.Popen[bytes]"]) -> Part:
        return Part(name, spawn, clock=time.monotonic, patience_seconds=END_SECONDS, delays=AT_ONCE)

    def _spawn(self, name: str) -> "subprocess.Popen[bytes]":
        module, clock = "jobworker.cli.chaos.jumpy", str(self.clock(name))
        command = [sys.executable, "-P", "-m", module, clock, "api" if name == API else "supervisor"]
        environ = environment(self._settings(name), ENVIRON)
        with (self.folder / f"{name}.log").open("ab") as output:
            return start_child(command, environ=environ, directory=self.folder, output=output)

    def _settings(self, name: str) -> Settings:
        return Settings(
            redis=replace(self.redis, url=self.network.urls[name]),
            api=ApiSettings(listen=self._listen, processes=API_PROCESSES),
            supervisor=SupervisorSettings(
                name=name,
                workers=self._workers,
                handlers=("jobworker.cli.chaos.handlers",),
                lease=LEASE_SECONDS,
                beat=BEAT_SECONDS,
                grace=END_SECONDS / 2,
                echo_output=False,
                type_max_crashes=1000,
                max_restarts=1000,
            ),
            state=StateSettings(dir=str(self.folder)),
        )

    def _is_ready(self) -> bool:
        try:
            with ApiClient(ClientSettings(url=self.url, timeout=1.0)) as client:
                return len(client.get("/supervisors")["items"]) == len(self.supervisors)
        except NotReachable:
            return False


def _end(part: Part) -> None:
    give_up_at = time.monotonic() + part.patience_seconds
    while part.runs:
        if time.monotonic() > give_up_at:
            part.signal(signal.SIGKILL)
        time.sleep(TEND_SECONDS)
