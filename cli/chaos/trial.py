"""A chaos run from its start to its report."""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from jobworker.cli.chaos.ledger import Ledger
from jobworker.cli.chaos.nemeses import Scene, Struck
from jobworker.cli.chaos.producer import Orders, Post, read_posts
from jobworker.cli.chaos.recovery import Recovery, recoveries
from jobworker.cli.chaos.schedule import Fault, draw
from jobworker.cli.chaos.stage import ENVIRON, TEND_SECONDS, Stage
from jobworker.cli.chaos.storm import Storm
from jobworker.cli.chaos.verdict import Evidence, Standing, Verdict, judge
from jobworker.cli.checks import data
from jobworker.cli.child import start_child
from jobworker.cli.errors import Failed, NotReachable
from jobworker.cli.http import ApiClient
from jobworker.store.inspection import Inspection
from jobworker.store.retention import Retention
from jobworker.store.settings import ClientSettings, RedisSettings
from jobworker.store.states import JobState

PRODUCERS: Final = 3
#: How long nothing may run, once there are no more faults, until we no longer wait for what has not ended.
STALLED_SECONDS: Final = 30.0
#: How long that may take at most, beyond the time of the run: jobs may run again and again, and never end.
DRAIN_SECONDS: Final = 60.0
_UNENDED: Final = (JobState.SCHEDULED, JobState.PENDING, JobState.RUNNING)


class Options(Struct, frozen=True):
    """What a run is like; the same seed draws the same faults."""

    seed: int
    seconds: float
    supervisors: int
    workers: int
    #: Jobs a second, all producers together.
    rate: float
    #: Seconds between two faults, on average.
    every: float

    @property
    def names(self) -> list[str]:
        """The supervisors."""
        return [f"supervisor-{number}" for number in range(1, self.supervisors + 1)]

    def faults(self) -> list[Fault]:
        """Return what will happen."""
        return draw(self.seed, self.seconds, self.every, self.names)


class Report(Struct, frozen=True):
    """What a run has come to."""

    options: Options
    #: How many faults of each kind have happened; what found nobody to hit is left out.
    faults: dict[str, int]
    verdict: Verdict
    recoveries: list[Recovery]
    drain_seconds: float
    #: What has ended although nobody had killed it: no loss, but worth a look.
    ends: list[str]
    #: What is wrong with the data in Redis afterwards.
    flaws: list[str]

    @property
    def is_clean(self) -> bool:
        """Whether nothing was lost, and nothing is wrong."""
        return self.verdict.is_clean and not self.flaws


def run(options: Options, folder: Path) -> Report:
    """Start everything in `folder`, break it, let it drain, and judge. Raises Failed."""
    with closing(Stage(folder, options.names, options.workers)) as stage:
        stage.start()
        ledger = Ledger(folder / "ledger")
        orders = _orders(options, stage, ledger)
        storm = Storm(Scene(stage, ledger), options.faults())
        _rage(storm, stage, [_producer(each, folder) for each in orders])
        drain_seconds = _drain(stage, ledger, most_seconds=options.seconds + DRAIN_SECONDS)
        ledger.read()
        posts = [post for each in orders for post in read_posts(Path(each.posts))]
        return _report(options, stage, storm.struck, ledger, posts, drain_seconds)


def _orders(options: Options, stage: Stage, ledger: Ledger) -> list[Orders]:
    return [
        Orders(
            url=stage.url,
            ledger=str(ledger.path),
            posts=str(stage.folder / f"posts-{number}"),
            first=number,
            step=PRODUCERS,
            per_second=options.rate / PRODUCERS,
            seconds=options.seconds,
        )
        for number in range(PRODUCERS)
    ]


def _producer(orders: Orders, folder: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-P", "-m", "jobworker.cli.chaos.producer", msgspec.json.encode(orders).decode()]
    with (folder / "producers.log").open("ab") as output:
        return start_child(command, environ=ENVIRON, output=output)


def _rage(storm: Storm, stage: Stage, producers: Sequence["subprocess.Popen[bytes]"]) -> None:
    """Strike while the producers produce."""
    try:
        while any(producer.poll() is None for producer in producers):
            storm.turn()
            stage.tend()
            time.sleep(TEND_SECONDS)
    finally:
        storm.calm()
        for producer in producers:
            producer.kill()
            producer.wait()
    if any(producer.returncode for producer in producers):
        raise Failed(f"a producer broke; {stage.folder}/producers.log says why")


def _drain(stage: Stage, ledger: Ledger, *, most_seconds: float) -> float:
    """Wait until all jobs have ended, or nothing happens any more; return how long that took."""
    began = moved = time.monotonic()
    seen = 0
    with ApiClient(ClientSettings(url=stage.url)) as client:
        # Twice: a job may go from one state to another behind our back.
        while not (_is_idle(client) and _is_idle(client)):
            if time.monotonic() > min(moved + STALLED_SECONDS, began + most_seconds):
                break
            ledger.read()
            if len(ledger.runs) > seen:
                seen, moved = len(ledger.runs), time.monotonic()
            stage.tend()
            time.sleep(TEND_SECONDS)
    return time.monotonic() - began


def _is_idle(client: ApiClient) -> bool:
    try:
        return not any(any(client.jobs({"status": status}, 1)) for status in _UNENDED)
    except NotReachable:
        return False


def _report(
    options: Options,
    stage: Stage,
    struck: Sequence[Struck],
    ledger: Ledger,
    posts: Sequence[Post],
    drain_seconds: float,
) -> Report:
    return Report(
        options=options,
        faults=dict(Counter(fault.kind for fault in struck)),
        verdict=judge(Evidence(posts, ledger.runs, _standings(stage, ledger), struck)),
        recoveries=list(recoveries(struck, ledger.runs)),
        drain_seconds=round(drain_seconds, 3),
        ends=stage.ends,
        flaws=_flaws(stage.redis),
    )


def _standings(stage: Stage, ledger: Ledger) -> dict[str, Standing]:
    """Ask for every job, and closely for each that did not run exactly once."""
    times = Counter(run.job_id for run in ledger.runs)
    with ApiClient(ClientSettings(url=stage.url)) as client:
        jobs = {job["id"]: Standing.of(job) for job in client.jobs({}, None)}
        again = [job_id for job_id in jobs if times[job_id] != 1]
        return jobs | {job_id: Standing.of(client.get_job(job_id)) for job_id in again}


def _flaws(redis: RedisSettings) -> list[str]:
    inspection = Inspection.connect(
        redis.url, timeout_seconds=redis.timeout, prefix=redis.prefix, retention=Retention()
    )
    with closing(inspection):
        return [finding.fact for finding in data.check(inspection.audit(None)) if finding.level != "ok"]
