"""Every setting, its default and its range. One Struct a section; configuration.py finds their values.

`[section] key` in the file is `JOBWORKER_SECTION_KEY` in the environment and `--section-key` on the command line.
Durations are seconds.
"""

import re
import socket
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from jobworker.store.backoff import Backoff
from jobworker.store.limits import (
    NAME_PATTERN,
    BackoffFactor,
    BackoffSeconds,
    MaxAttempts,
    MaxCrashes,
    Name,
    Priority,
    TimeoutSeconds,
)
from jobworker.store.retention import Retention

Seconds = Annotated[float, Meta(ge=0.1, le=86_400)]
KeepSeconds = Annotated[int, Meta(ge=60)]
Listen = Annotated[str, Meta(pattern=r"^.+:\d{1,5}\Z", description="HOST:PORT")]


class Section(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of the sections."""


class RedisSettings(Section):
    """Where the jobs are."""

    url: str = "redis://127.0.0.1:6379/0"
    prefix: Name = "jobworker"
    timeout: Annotated[float, Meta(ge=0.1, le=60)] = 2.0


class JobSettings(Section):
    """What a job gets when neither its request nor its handler's declaration says anything."""

    default_handler: Name = "echo"
    queue: Name = "default"
    priority: Priority = 5
    timeout: TimeoutSeconds = 300.0
    max_attempts: MaxAttempts = 3
    max_crashes: MaxCrashes = 3
    backoff_base: BackoffSeconds = 1.0
    backoff_factor: BackoffFactor = 2.0
    backoff_max: BackoffSeconds = 3600.0
    backoff_jitter: bool = True
    keep: KeepSeconds = 24 * 3600
    keep_failed: KeepSeconds = 14 * 24 * 3600
    keep_jobs: Annotated[int, Meta(ge=1, le=1_000_000)] = 1_000_000

    @property
    def backoff(self) -> Backoff:
        """The four settings of the backoff as one value."""
        return Backoff(self.backoff_base, self.backoff_factor, self.backoff_max, self.backoff_jitter)

    @property
    def retention(self) -> Retention:
        """How long ended jobs are kept."""
        return Retention(self.keep * 1000, self.keep_failed * 1000, self.keep_jobs)


def default_name() -> str:
    """Return this host's name, made to fit what a supervisor's name may hold."""
    name = re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:128]
    return name if re.match(NAME_PATTERN, name) else "supervisor"


class SupervisorSettings(Section):
    """One supervisor and its workers."""

    name: Name = field(default_factory=default_name)
    workers: Annotated[int, Meta(ge=1, le=1000)] | Literal["auto"] = "auto"
    #: Workers forked and imported ahead of need.
    spares: Annotated[int, Meta(ge=0, le=100)] = 1
    #: NAME or NAME=WEIGHT; none: all queues, strictly by priority.
    queues: tuple[Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}(=[1-9][0-9]{0,3})?\Z")], ...] = ()
    #: Dotted modules and .py files.
    handlers: tuple[str, ...] = ()
    #: How long running jobs may take to end after SIGTERM.
    grace: Annotated[float, Meta(ge=0, le=86_400)] = 25.0
    lease: Annotated[float, Meta(ge=3, le=300)] = 15.0
    beat: Annotated[float, Meta(ge=0.5, le=60)] = 3.0
    #: How long to wait when no hint comes: a lost hint costs at most this.
    poll: Annotated[float, Meta(ge=0.05, le=60)] = 1.0


class ApiSettings(Section):
    """The HTTP API."""

    listen: Listen = "127.0.0.1:8080"
    threads: Annotated[int, Meta(ge=1, le=256)] = 16
    #: Names by which browsers may reach an API without keys, besides localhost and loopback addresses.
    allowed_hosts: tuple[str, ...] = ()
    #: Said in so many words: listen beyond loopback although anybody may then do anything.
    no_auth: bool = False
    #: How long answers in progress may take after SIGTERM.
    grace: Annotated[float, Meta(ge=0, le=3600)] = 10.0


class ClientSettings(Section):
    """Where the command line finds the API."""

    url: str = "http://127.0.0.1:8080"
    timeout: Seconds = 10.0


class LogSettings(Section):
    """What goes to stderr."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    #: auto: console on a terminal, else JSON.
    format: Literal["auto", "console", "json"] = "auto"


class StateSettings(Section):
    """The directory of the embedded server's data, the lock files and the beat files."""

    dir: str = "./.jobworker"


class Settings(Section):
    """All sections."""

    redis: RedisSettings = RedisSettings()
    jobs: JobSettings = JobSettings()
    supervisor: SupervisorSettings = field(default_factory=SupervisorSettings)
    api: ApiSettings = ApiSettings()
    client: ClientSettings = ClientSettings()
    log: LogSettings = LogSettings()
    state: StateSettings = StateSettings()
