"""GET /metrics: what Prometheus reads, by its own parser and its rules for names."""

import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from jobworker.store.job import NewJob
from jobworker.store.limits import MAX_QUEUES
from jobworker.store.stats import Sums
from tests.support.redis_source import RedisSource
from tests.unit.api.conftest import Api
from tests.unit.api.resources.test_stats import hand_over

PAGE = Path(__file__).parents[4] / "docs" / "metrics.md"
#: Prometheus wants base units.
FOREIGN_UNITS = re.compile(r"_(ms|us|milliseconds|microseconds|minutes|hours|kb|mb|kilobytes|megabytes|percent)(_|$)")


def read(api: Api) -> dict[str, Metric]:
    answer = api.get("/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = list(text_string_to_metric_families(answer.body.decode()))
    assert len({family.name for family in families}) == len(families)
    return {family.name: family for family in families}


def value(metrics: dict[str, Metric], name: str, **labels: str) -> float:
    family = metrics[re.sub("_(total|count)$", "", name)]
    [found] = [one.value for one in family.samples if one.name == name and one.labels == labels]
    return found


def samples(metrics: dict[str, Metric]) -> Iterator[tuple[str, dict[str, str]]]:
    for family in metrics.values():
        for sample in family.samples:
            yield sample.name, sample.labels


@pytest.fixture
def busy(api: Api, redis_source: RedisSource) -> Api:
    hand_over(redis_source, Sums("echo", {"succeeded": 3, "timed_out": 1}, 2_000_000, 500_000, 250_000, 4096))
    api.post("/jobs", {"priority": 7, "queue": "images"})
    api.post("/jobs", {"delay": 3600})
    api.post("/jobs/pause", {"queue": "images"})
    return api


def test_what_there_is_can_be_read(busy: Api) -> None:
    metrics = read(busy)
    assert value(metrics, "jobworker_attempts_total", type="echo", outcome="succeeded") == 3
    assert value(metrics, "jobworker_attempts_total", type="echo", outcome="timed_out") == 1
    assert value(metrics, "jobworker_attempt_wall_seconds_total", type="echo") == 2.0
    assert value(metrics, "jobworker_attempt_cpu_seconds_total", type="echo", mode="system") == 0.25
    assert value(metrics, "jobworker_queue_jobs", queue="images", priority="7") == 1
    assert value(metrics, "jobworker_queue_paused", queue="images") == 1
    assert value(metrics, "jobworker_paused") == 0
    assert value(metrics, "jobworker_jobs_scheduled") == 1
    assert value(metrics, "jobworker_jobs_ended", status="succeeded") == 0
    assert value(metrics, "jobworker_supervisor_up", supervisor="alpha") == 1
    assert value(metrics, "jobworker_redis_up") == 1
    assert value(metrics, "jobworker_http_requests_total", route="/jobs", method="POST", status="202") == 2
    assert value(metrics, "jobworker_http_request_duration_seconds_count", route="/jobs", method="POST") == 2


def test_names_units_and_helps_are_as_prometheus_wants_them(busy: Api) -> None:
    for family in read(busy).values():
        assert re.fullmatch(r"jobworker_[a-z_]+", family.name)
        assert not FOREIGN_UNITS.search(family.name)
        assert family.documentation.endswith((".", "limit."))
        for sample in family.samples:
            assert (family.type == "counter") == sample.name.endswith("_total")
            assert set(sample.labels).isdisjoint({"job", "instance", "id"})


def test_the_page_has_every_metric_with_its_labels_and_no_other(busy: Api) -> None:
    told = dict(re.findall(r"^\| `(jobworker_\w+)` \| [a-z]+ \|([^|]*)\|", PAGE.read_text(), re.MULTILINE))
    metrics = read(busy)
    there = {name + ("_total" if one.type == "counter" else ""): one for name, one in metrics.items()}
    # Of Redis and its limit INFO tells, which the stand-in does not have.
    of_info = {"jobworker_redis_used_memory_bytes", "jobworker_redis_maxmemory_bytes"}
    assert set(told) - of_info == set(there) - of_info
    for name, family in there.items():
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(re.findall(r"`(\w+)`", told[name])), name


def test_rules_on_the_page_name_only_metrics_that_there_are() -> None:
    text = PAGE.read_text()
    told = set(re.findall(r"^\| `(jobworker_\w+)`", text, re.MULTILINE))
    rules = "".join(re.findall(r"```yaml\n(.*?)```", text, re.DOTALL))
    used = {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"\bjobworker_\w+", rules)}
    assert used
    assert used <= told


def test_nothing_that_a_client_makes_up_becomes_a_label(api: Api) -> None:
    before = set(map(str, samples(read(api))))
    for number in range(50):
        api.get(f"/{number}/x")
        api.get(f"/jobs/{number}")
        api.get(f"/metrics?x={number}")
        api.post(f"/queues/{number}", {})
    found = [labels for _, labels in samples(read(api)) if "route" in labels]
    assert {labels["route"] for labels in found} <= {
        *("unmatched", "/jobs/{job_id}", "/metrics", "/queues/{queue}"),
    }
    assert len(set(map(str, samples(read(api)))) - before) < 120


def test_without_redis_the_process_still_tells_of_itself(api: Api) -> None:
    api.get("/livez")
    # It was seen that no keys are needed.
    assert api.get("/jobs").status == 200
    api.lose_redis("test")
    metrics = read(api)
    assert value(metrics, "jobworker_redis_up") == 0
    assert value(metrics, "jobworker_http_requests_total", route="/livez", method="GET", status="200") == 1
    assert "jobworker_attempts" not in metrics


def test_a_parameter_is_refused(api: Api) -> None:
    assert api.get("/metrics?x=1").status == 422


def test_of_as_many_queues_as_may_exist_each_is_told_once(api: Api) -> None:
    for number in range(0, MAX_QUEUES, 200):
        api.store.enqueue(
            [NewJob(str(uuid.uuid4()), "echo", f"queue-{index}") for index in range(number, number + 200)]
        )
    queues = [one.labels["queue"] for one in read(api)["jobworker_queue_paused"].samples]
    assert len(queues) == len(set(queues)) == MAX_QUEUES
