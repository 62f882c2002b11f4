"""Every setting, its default and its range. One Struct a section; configuration.py finds their values.

`[section] key` in the file is `JOBWORKER_SECTION_KEY` in the environment and `--section-key` on the command line.
Durations are seconds. A `description` says what a setting does, a `title` the shape of a text.
"""

import platform
import re
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from jobworker.store import limits
from jobworker.store.backoff import Backoff
from jobworker.store.limits import (
    API_TOKEN,
    NAME_PATTERN,
    BackoffFactor,
    BackoffSeconds,
    Leftovers,
    MaxAttempts,
    MaxCrashes,
    MemoryLimitMb,
    Priority,
    TimeoutSeconds,
)
from jobworker.store.retention import Retention

#: The longest that an ended job may be kept: ten years.
MAX_KEEP_SECONDS = 10 * 366 * 86_400

Seconds = Annotated[float, Meta(ge=0.1, le=86_400)]
KeepSeconds = Annotated[int, Meta(ge=60, le=MAX_KEEP_SECONDS)]
Name = Annotated[limits.Name, Meta(title="a letter or digit, then up to 127 letters, digits, '.', '_' or '-'")]
QueueShare = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}(=[1-9][0-9]{0,3})?\Z",
        title="NAME or NAME=WEIGHT, the weight from 1 to 9999",
    ),
]
Listen = Annotated[
    str,
    Meta(
        pattern=r"^.+:(\d{1,4}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d{2}|655[0-2]\d|6553[0-5])\Z",
        title="HOST:PORT, the port from 0 to 65535",
    ),
]
#: redis-py would silently take database 0 where the path is no number.
RedisUrl = Annotated[
    str,
    Meta(
        pattern=r"^(rediss?://(?=.)[^/?#]*(/[0-9]*)?(\?.*)?|sentinels?://[^/?#]+/[^/?#]+(/[0-9]*)?(\?.*)?|unix://.+)\Z",
        title="redis://HOST:PORT/N or rediss://HOST:PORT/N, N the number of the database, or unix://PATH?db=N,"
        " or sentinel://HOST:PORT,HOST:PORT/SERVICE/N, or sentinels:// for TLS",
    ),
]
#: Which attempts are killed when the lease may be over.
SelfFence = Literal["exclusive", "all", "none"]
WebhookSecret = Annotated[
    str,
    Meta(
        pattern=r"^whsec_([A-Za-z0-9+/]{4}){8,21}([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?\Z",
        title="whsec_ and 24 to 64 random bytes as Base64",
    ),
]
#: What requests need.
Auth = Literal["auto", "required"]
ApiToken = Annotated[str, Meta(pattern=rf"^({API_TOKEN})?\Z", title="an API key as `jobworker key create` prints it")]
HttpUrl = Annotated[str, Meta(pattern=r"^https?://.", title="an http:// or https:// URL")]


class Section(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of the sections."""


class RedisSettings(Section, frozen=True):
    """Where the jobs are."""

    url: Annotated[RedisUrl, Meta(description="the server that holds the jobs")] = "redis://127.0.0.1:6379/0"
    prefix: Annotated[Name, Meta(description="what every key begins with")] = "jobworker"
    timeout: Annotated[
        float, Meta(ge=0.1, le=60, description="seconds until a connect or a call to Redis is given up")
    ] = 2.0
    wait_replicas: Annotated[
        int,
        Meta(ge=0, le=100, description="replicas that must have a job before POST /jobs answers 202; 0: none"),
    ] = 0


class JobSettings(Section, frozen=True):
    """What a job gets when neither its request nor its handler's declaration says anything."""

    default_handler: Annotated[Name, Meta(description="the type of a job that names none")] = "echo"
    queue: Annotated[Name, Meta(description="the queue of a job that names none")] = "default"
    priority: Annotated[Priority, Meta(description="of a job; 10 is the highest")] = 5
    timeout: Annotated[TimeoutSeconds, Meta(description="seconds after which an attempt is killed")] = 300.0
    max_attempts: Annotated[MaxAttempts, Meta(description="failed attempts after which a job has failed")] = 3
    max_crashes: Annotated[MaxCrashes, Meta(description="crashes of its worker after which a job has failed")] = 3
    memory_limit_mb: Annotated[
        MemoryLimitMb | Literal["none"],
        Meta(description="MiB that a job and all it starts may use before it is killed"),
    ] = "none"
    backoff_base: Annotated[BackoffSeconds, Meta(description="seconds before the second attempt, at most")] = 1.0
    backoff_factor: Annotated[BackoffFactor, Meta(description="by what the wait grows with each failure")] = 2.0
    backoff_max: Annotated[BackoffSeconds, Meta(description="seconds between two attempts, at most")] = 3600.0
    backoff_jitter: Annotated[bool, Meta(description="wait a random part of that time")] = True
    keep: Annotated[KeepSeconds, Meta(description="seconds that ended jobs are kept")] = 24 * 3600
    keep_failed: Annotated[KeepSeconds, Meta(description="seconds that failed jobs are kept")] = 14 * 24 * 3600
    keep_jobs: Annotated[int, Meta(ge=1, le=1_000_000, description="ended jobs kept of each status")] = 1_000_000
    keep_idempotency_keys: Annotated[
        KeepSeconds, Meta(description="seconds that an Idempotency-Key of POST /jobs is remembered")
    ] = 24 * 3600

    @property
    def backoff(self) -> Backoff:
        """The four settings of the backoff as one value."""
        return Backoff(self.backoff_base, self.backoff_factor, self.backoff_max, self.backoff_jitter)

    @property
    def memory_limit(self) -> int | None:
        """The limit in MiB; None: no limit."""
        return None if self.memory_limit_mb == "none" else self.memory_limit_mb

    @property
    def retention(self) -> Retention:
        """How long ended jobs are kept."""
        return Retention(self.keep * 1000, self.keep_failed * 1000, self.keep_jobs)


def default_name() -> str:
    """Return this host's name, made to fit what a supervisor's name may hold."""
    name = re.sub(r"[^A-Za-z0-9._-]", "-", platform.node())[:128]
    return name if re.match(NAME_PATTERN, name) else "supervisor"


class SupervisorSettings(Section, frozen=True):
    """One supervisor and its workers."""

    name: Annotated[Name, Meta(description="unique among the supervisors")] = field(default_factory=default_name)
    workers: Annotated[
        Annotated[int, Meta(ge=1, le=1000)] | Literal["auto"],
        Meta(description="jobs that run at once; auto: one a CPU we may use"),
    ] = "auto"
    spares: Annotated[int, Meta(ge=0, le=100, description="workers forked and imported ahead of need")] = 1
    queues: Annotated[
        tuple[QueueShare, ...],
        Meta(description="serve this queue, with weights in weighted turns; none: all, strictly by priority"),
    ] = ()
    handlers: Annotated[tuple[str, ...], Meta(description="a dotted module, or a .py or .toml file with handlers")] = ()
    leftovers: Annotated[
        Leftovers, Meta(description="what a job leaves running: end it before the next job, or keep it")
    ] = "end"
    grace: Annotated[
        float, Meta(ge=0, le=86_400, description="seconds that running jobs may take to end after SIGTERM")
    ] = 25.0
    lease: Annotated[
        float, Meta(ge=3, le=300, description="seconds of silence after which others take over our jobs")
    ] = 15.0
    self_fence: Annotated[
        SelfFence, Meta(description="what is killed before the lease ends if Redis does not answer: which attempts")
    ] = "exclusive"
    beat: Annotated[float, Meta(ge=0.5, le=60, description="seconds between two signs of life in Redis")] = 3.0
    keep_output: Annotated[
        bool, Meta(description="keep what jobs print with the job; else it goes where the supervisor's own output goes")
    ] = True
    echo_output: Annotated[bool, Meta(description="log what is kept of it too, up to 200 lines a second")] = True
    type_max_crashes: Annotated[
        int,
        Meta(ge=1, le=1000, description="crashes of a type within its window that are not yet too many"),
    ] = 10
    type_crash_window: Annotated[
        float, Meta(ge=1, le=3600, description="seconds within which they count; one more, and the type is held")
    ] = 60.0
    poll: Annotated[
        float, Meta(ge=0.05, le=60, description="seconds to wait when no hint comes: a lost hint costs at most this")
    ] = 2.0
    start_timeout: Annotated[
        float, Meta(ge=1, le=3600, description="seconds that a worker may take to import the handlers")
    ] = 60.0
    worker_max_jobs: Annotated[
        int, Meta(ge=0, le=1_000_000_000, description="jobs after which a worker is replaced; 0: never")
    ] = 0
    worker_max_age: Annotated[
        float, Meta(ge=0, le=10 * 366 * 86_400, description="seconds after which a worker is replaced; 0: never")
    ] = 0.0
    worker_max_rss_mb: Annotated[
        int, Meta(ge=0, le=1_000_000_000, description="MB that a worker may keep between jobs; 0: any")
    ] = 0
    max_restarts: Annotated[
        int, Meta(ge=0, le=1000, description="workers that may die in one place before it is held empty for a while")
    ] = 10
    max_restarts_within: Annotated[
        float, Meta(ge=1, le=86_400, description="seconds within which they are counted")
    ] = 60.0


class ApiSettings(Section, frozen=True):
    """The HTTP API."""

    listen: Annotated[Listen, Meta(description="where the API answers")] = "127.0.0.1:8080"
    processes: Annotated[
        Annotated[int, Meta(ge=1, le=64)] | Literal["auto"],
        Meta(description="processes that answer; auto: one a CPU we may use, at most 8"),
    ] = "auto"
    threads: Annotated[int, Meta(ge=1, le=256, description="requests that each of them answers at once")] = 16
    max_waiting: Annotated[
        int,
        Meta(
            ge=0, le=100_000, description="clients that wait for the end of a job, in each of them; more are not kept"
        ),
    ] = 5000
    auth: Annotated[Auth, Meta(description="auto: requests need an API key once there is one; required: always")] = (
        "auto"
    )
    allowed_hosts: Annotated[
        tuple[str, ...],
        Meta(description="a name by which an API without keys may be reached, besides localhost"),
    ] = ()
    no_auth: Annotated[
        bool, Meta(description="listen beyond loopback without keys, although anybody may then do anything")
    ] = False
    grace: Annotated[
        float, Meta(ge=0, le=3600, description="seconds that answers in progress may take after SIGTERM")
    ] = 10.0


class ClientSettings(Section, frozen=True):
    """Where the command line finds the API."""

    url: Annotated[HttpUrl, Meta(description="the API's address")] = "http://127.0.0.1:8080"
    key: Annotated[ApiToken, Meta(description="the API key that requests bear")] = ""
    timeout: Annotated[Seconds, Meta(description="seconds until a request is given up")] = 10.0


class WebhookSettings(Section, frozen=True):
    """What tells by HTTP that a job has ended."""

    secret: Annotated[
        tuple[WebhookSecret, ...],
        Meta(description="signs webhooks: several sign side by side, while receivers change from one to the next"),
    ] = ()
    allow_unsigned: Annotated[bool, Meta(description="send webhooks without a signature where there is no secret")] = (
        False
    )
    allow_private: Annotated[
        bool, Meta(description="send webhooks also to addresses that only we can reach: loopback, private networks")
    ] = False


class LogSettings(Section, frozen=True):
    """What goes to stderr."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="the least important that is logged")
    ] = "info"
    format: Annotated[
        Literal["auto", "console", "json"], Meta(description="auto: console on a terminal, else JSON")
    ] = "auto"


class StateSettings(Section, frozen=True):
    """The directory of the embedded server's data, the lock files and the beat files."""

    dir: Annotated[str, Meta(min_length=1, description="holds the data of `jobworker up`, lock and beat files")] = (
        "./.jobworker"
    )


class Settings(Section, frozen=True):
    """All sections."""

    redis: RedisSettings = RedisSettings()
    jobs: JobSettings = JobSettings()
    supervisor: SupervisorSettings = field(default_factory=SupervisorSettings)
    api: ApiSettings = ApiSettings()
    client: ClientSettings = ClientSettings()
    webhooks: WebhookSettings = WebhookSettings()
    log: LogSettings = LogSettings()
    state: StateSettings = StateSettings()
