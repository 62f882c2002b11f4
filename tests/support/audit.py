"""What must hold in Redis between any two scripts: each job in exactly one state index, nothing beside it."""

import re
from collections.abc import Iterator
from itertools import chain
from typing import Any

import redis

from jobworker.store.keys import Keys
from jobworker.store.place import place_of
from jobworker.store.states import ENDED, TRANSITIONS, JobState
from tests.support.snapshot import snapshot

_KEYS = Keys()
_FIRST = {"pending", "scheduled"}


def audit(client: redis.Redis, keys: Keys | None = None) -> None:
    """Fail if the data contradicts itself, or a status was changed as the transition table does not allow."""
    data, base = snapshot(client), (keys or Keys()).base
    check_transitions(client)
    check_data({key.removeprefix(base): value for key, value in data.items()})
    _check_ttls(client, base, data)


def check_transitions(client: redis.Redis) -> None:
    """Check the changes that `watched_redis` has noted since the last time."""
    pipeline: Any = client.pipeline()
    for line in pipeline.lrange("test:transitions", 0, -1).delete("test:transitions").execute()[0]:
        job_id, old, new = line.decode().split()
        allowed = _FIRST if old == "none" else TRANSITIONS[JobState(old)]
        assert new in allowed, f"job {job_id} went from {old} to {new}"


def check_data(data: dict[str, Any]) -> None:
    """Check every key, named without its base, against every other."""
    jobs = {key[4:]: value for key, value in data.items() if re.fullmatch(r"job:[^:]+", key)}
    assert sorted(_indexed(data)) == sorted(_expected_entries(jobs)), "state indexes and jobs disagree"
    _check_types(data, jobs)
    _check_secondary_indexes(data, jobs)
    logs = {key[4:-4]: value["written_bytes"] for key, value in data.items() if re.fullmatch(r"job:[^:]+:log", key)}
    assert logs == {job_id: job["log_bytes"] for job_id, job in jobs.items() if "log_bytes" in job}
    for key, value in data.items():
        if key.startswith("wake:"):
            assert value == ["1"], f"{key} holds more than one token"


def _indexed(data: dict[str, Any]) -> Iterator[tuple[str, str, int]]:
    for key, value in data.items():
        if key == "scheduled" or key.startswith(("ready:", "running:", "ended:")):
            yield from ((job_id, key, int(score)) for job_id, score in value.items())


def _expected_entries(jobs: dict[str, Any]) -> Iterator[tuple[str, str, int]]:
    for job_id, job in jobs.items():
        place = place_of(_KEYS, job)
        yield job_id, place.index.removeprefix(_KEYS.base), place.score


def _check_types(data: dict[str, Any], jobs: dict[str, Any]) -> None:
    found = [
        (job_id, key, created_ms)
        for key, entries in data.items()
        if key.startswith("by_type:")
        for job_id, created_ms in entries.items()
    ]
    expected = [(job_id, f"by_type:{job['type']}", int(job["created_ms"])) for job_id, job in jobs.items()]
    assert sorted(found) == sorted(expected), "by_type and jobs disagree"
    assert data.get("created", {}) == {job_id: int(job["created_ms"]) for job_id, job in jobs.items()}
    assert data.get("types", set()) == {job["type"] for job in jobs.values()}
    _check_tags(data, jobs)


def _check_tags(data: dict[str, Any], jobs: dict[str, Any]) -> None:
    expected: dict[str, dict[str, int]] = {}
    for job_id, job in jobs.items():
        for tag in job.get("tags", "").split():
            expected.setdefault(tag, {})[job_id] = int(job["created_ms"])
    found = {key[7:]: entries for key, entries in data.items() if key.startswith("by_tag:")}
    assert found == expected, "by_tag and jobs disagree"
    assert data.get("tags", set()) == set(expected)


def _check_secondary_indexes(data: dict[str, Any], jobs: dict[str, Any]) -> None:
    waiting = {job_id: int(job["expires_ms"]) for job_id, job in jobs.items() if _may_expire(job)}
    assert data.get("expiring", {}) == waiting
    cancels = {key: value for key, value in data.items() if key.startswith("cancels:")}
    flagged = {
        (f"cancels:{job['owner']}:{job['epoch']}", job_id, job["token"])
        for job_id, job in jobs.items()
        if job["status"] == "running" and "cancel_requested_ms" in job
    }
    entries = {
        (key, job_id, value.partition(" ")[0]) for key, found in cancels.items() for job_id, value in found.items()
    }
    assert entries == flagged
    assert {job["queue"] for job in jobs.values()} <= data.get("queues", set())
    assert all(len([field for field in job if field.startswith("attempt:")]) <= 20 for job in jobs.values())


def _may_expire(job: dict[str, str]) -> bool:
    return "expires_ms" in job and job["status"] in _FIRST and job["failures"] == job["crashes"] == "0"


def _check_ttls(client: redis.Redis, base: str, data: dict[str, Any]) -> None:
    """What has ended goes by itself one day, its log with it; what has not never does."""
    pipeline = client.pipeline(transaction=False)
    names = [key for key in data if key.startswith((f"{base}job:", f"{base}inbox:"))]
    for key in names:
        pipeline.pttl(key)
    for key, ttl_ms in zip(names, chain(pipeline.execute()), strict=True):
        has_ttl = key.startswith(f"{base}inbox:") or JobState(data[key.removesuffix(":log")]["status"]) in ENDED
        assert (ttl_ms > 0) == has_ttl, f"{key} has a TTL of {ttl_ms} ms"
