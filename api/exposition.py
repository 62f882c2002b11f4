"""The metrics as Prometheus reads them: one function a subject; docs/metrics.md has the table."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.metadata import version
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from jobworker.api.traffic import BOUNDS_SECONDS, Histogram, Traffic
from jobworker.store.census import Census
from jobworker.store.fleet import Queue, Supervisor
from jobworker.store.stats import Sums

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4

_VERSION: Final = version("jobworker")


class _Once(Collector):
    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def expose(traffic: Traffic, paths: Sequence[str], census: Census | None) -> bytes:
    """Return the text; without a census Redis is away."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Once([*_process(census is not None), *_http(traffic, paths), *(_counted(census))]))
    return generate_latest(registry)


def _process(redis_up: bool) -> Iterator[Metric]:  # noqa: FBT001 - the only one
    build = GaugeMetricFamily("jobworker_build_info", "The version that answers; always 1.", labels=["version"])
    build.add_metric([_VERSION], 1)
    yield build
    yield GaugeMetricFamily("jobworker_redis_up", "1: Redis has answered this scrape; 0: it is away.", int(redis_up))


def _http(traffic: Traffic, paths: Sequence[str]) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "jobworker_http_requests", "Requests answered, by all API processes.", labels=["route", "method", "status"]
    )
    latency = HistogramMetricFamily(
        "jobworker_http_request_duration_seconds",
        "From the moment a thread takes a request up until its answer is ready to be sent.",
        labels=["route", "method"],
    )
    for asked in traffic.asked(paths):
        for status, count in asked.statuses.items():
            requests.add_metric([asked.path, asked.method, status], count)
        _add(latency, [asked.path, asked.method], asked.latency)
    yield requests
    yield latency
    waited = HistogramMetricFamily(
        "jobworker_http_request_wait_seconds",
        "How long requests that had come in whole waited for a thread.",
        labels=[],
    )
    _add(waited, [], traffic.waited())
    yield waited
    yield GaugeMetricFamily(
        "jobworker_http_requests_in_progress", "Requests that a thread serves now.", traffic.in_progress()
    )


def _add(family: HistogramMetricFamily, labels: list[str], histogram: Histogram) -> None:
    bounds = [*map(str, BOUNDS_SECONDS), "+Inf"]
    buckets = list(zip(bounds, map(float, accumulate(histogram.counts)), strict=True))
    family.add_metric(labels, buckets, histogram.sum_seconds)


def _counted(census: Census | None) -> Iterator[Metric]:
    if census is None:
        return
    yield from _attempts(census.totals)
    yield from _jobs(census)
    yield from _queues(census)
    yield from _workers(census.supervisors)
    yield from _supervisors(census.supervisors)
    yield from _memory(census)


def _attempts(totals: Sequence[Sums]) -> Iterator[Metric]:
    attempts = CounterMetricFamily(
        "jobworker_attempts", "Attempts that ended, by what they came to.", labels=["type", "outcome"]
    )
    wall = CounterMetricFamily("jobworker_attempt_wall_seconds", "Time that attempts took.", labels=["type"])
    cpu = CounterMetricFamily("jobworker_attempt_cpu_seconds", "CPU time that attempts used.", labels=["type", "mode"])
    for sums in totals:
        for outcome, count in sums.outcomes.items():
            attempts.add_metric([sums.type, outcome], count)
        wall.add_metric([sums.type], sums.wall_us / 1e6)
        cpu.add_metric([sums.type, "user"], sums.cpu_user_us / 1e6)
        cpu.add_metric([sums.type, "system"], sums.cpu_system_us / 1e6)
    return iter((attempts, wall, cpu))


def _jobs(census: Census) -> Iterator[Metric]:
    yield GaugeMetricFamily("jobworker_jobs_scheduled", "Jobs that are not due yet.", census.scheduled)
    running = sum(one.running for one in census.supervisors)
    yield GaugeMetricFamily("jobworker_jobs_running", "Jobs that living supervisors run.", running)
    ended = GaugeMetricFamily("jobworker_jobs_ended", "Ended jobs whose records are kept.", labels=["status"])
    for status, count in census.ended.items():
        ended.add_metric([status], count)
    yield ended


def _queues(census: Census) -> Iterator[Metric]:
    depth = GaugeMetricFamily("jobworker_queue_jobs", "Jobs that wait and are due.", labels=["queue", "priority"])
    oldest = GaugeMetricFamily(
        "jobworker_queue_oldest_seconds", "How long the job that waits longest has been due; 0: none.", labels=["queue"]
    )
    paused = GaugeMetricFamily(
        "jobworker_queue_paused",
        "1: nothing is claimed from the queue, by its own pause or that of all.",
        labels=["queue"],
    )
    for queue in census.queues:
        for priority, count in queue.by_priority.items():
            depth.add_metric([queue.name, str(priority)], count)
        oldest.add_metric([queue.name], _oldest_seconds(queue))
        paused.add_metric([queue.name], int(queue.pause is not None))
    everything = GaugeMetricFamily("jobworker_paused", "1: everything is paused.", int(census.all_paused))
    return iter((depth, oldest, paused, everything))


def _oldest_seconds(queue: Queue) -> float:
    return 0.0 if queue.oldest_ms is None else (queue.now_ms - queue.oldest_ms) / 1000


def _workers(supervisors: Sequence[Supervisor]) -> Iterator[Metric]:
    workers = GaugeMetricFamily(
        "jobworker_workers", "Worker processes, as of their supervisor's last beat.", labels=["supervisor", "state"]
    )
    for one in supervisors:
        states = Counter(entry.state for entry in one.roster.workers) if one.roster else Counter[str]()
        for state, count in sorted(states.items()):
            workers.add_metric([one.name, state], count)
    yield workers


#: Name, what it says, and the value; None: its supervisor has not told it.
_OF_SUPERVISORS: Final[tuple[tuple[str, str, Callable[[Supervisor], float | None]], ...]] = (
    ("up", "1: it holds its lease.", lambda one: int(one.is_living)),
    ("lease_left_seconds", "How long its lease lasts unless it beats.", lambda one: one.lease_left_ms / 1000),
    (
        "loop_lag_seconds",
        "The longest time that its loop was blocked, in the last minute.",
        lambda one: None if one.roster is None or one.roster.loop_lag_ms is None else one.roster.loop_lag_ms / 1000,
    ),
    (
        "held_types",
        "Types whose jobs it does not run for a while, because they keep crashing.",
        lambda one: None if one.roster is None else len(one.roster.held_types),
    ),
)
#: The same of what only grows while it lives.
_COUNTED_BY_SUPERVISORS: Final[tuple[tuple[str, str, Callable[[Supervisor], float | None]], ...]] = (
    (
        "worker_restarts",
        "Workers that died unasked since it started.",
        lambda one: None if one.roster is None else one.roster.restarts,
    ),
    (
        "stale_writes",
        "Attempts of which Redis refused to write something, since it started.",
        lambda one: None if one.roster is None else one.roster.stale_writes,
    ),
)


def _supervisors(supervisors: Sequence[Supervisor]) -> Iterator[Metric]:
    for kind, table in ((GaugeMetricFamily, _OF_SUPERVISORS), (CounterMetricFamily, _COUNTED_BY_SUPERVISORS)):
        for name, help_text, value_of in table:
            family = kind(f"jobworker_supervisor_{name}", help_text, labels=["supervisor"])
            for one in supervisors:
                if (value := value_of(one)) is not None:
                    family.add_metric([one.name], value)
            yield family


def _memory(census: Census) -> Iterator[Metric]:
    used, most = census.used_memory_bytes, census.maxmemory_bytes
    if used is not None:
        yield GaugeMetricFamily("jobworker_redis_used_memory_bytes", "Memory that Redis uses.", used)
    if most is not None:
        yield GaugeMetricFamily("jobworker_redis_maxmemory_bytes", "Its maxmemory; absent: no limit.", most)
