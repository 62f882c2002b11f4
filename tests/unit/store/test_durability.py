"""What a 202 means, on each kind of server and from what each lets itself be asked."""

from typing import Any

import msgspec
import pytest

from jobworker.store.durability import CHECKS, UNREADABLE, Durability, eviction, failover, persistence

SOUND = Durability(
    appendonly=True,
    appendfsync="everysec",
    append_failed=False,
    snapshots=False,
    maxmemory=0,
    maxmemory_policy="noeviction",
    replicas=0,
    min_replicas_to_write=0,
    wait_replicas=0,
)
INFO = {"aof_enabled": 1, "aof_last_write_status": "ok", "maxmemory_policy": "noeviction", "maxmemory": 9}
REPLICATION = {"connected_slaves": 2}
CONFIG = {
    "appendonly": "yes",
    "appendfsync": "always",
    "save": "",
    "maxmemory": "9",
    "maxmemory-policy": "noeviction",
    "min-replicas-to-write": "1",
}


def but(**changes: Any) -> Durability:
    return msgspec.structs.replace(SOUND, **changes)


def test_a_sound_server_is_ok_at_every_point() -> None:
    findings = [check(SOUND) for check in CHECKS]
    assert [(finding.level, finding.advice) for finding in findings] == [("ok", None)] * 3
    assert [finding.check for finding in findings] == ["durability", "failover", "eviction"]


@pytest.mark.parametrize(
    ("info", "config", "expected"),
    [
        ({**INFO, **REPLICATION}, CONFIG, (True, "always", False, 9, "noeviction", 2, 1)),
        # What INFO alone tells; and CONFIG alone.
        ({**INFO, **REPLICATION}, {}, (True, None, None, 9, "noeviction", 2, None)),
        ({}, CONFIG, (True, "always", False, 9, "noeviction", None, 1)),
        ({}, {}, (None, None, None, None, None, None, None)),
        ({"aof_enabled": 0}, {"save": "3600 1"}, (False, None, True, None, None, None, None)),
    ],
    ids=["both", "info", "config", "nothing", "snapshots"],
)
def test_it_is_put_together_of_what_redis_tells_and_never_guessed(
    info: dict[str, Any], config: dict[str, str], expected: tuple[object, ...]
) -> None:
    found = Durability.of(info, config, wait_replicas=0)
    assert not found.append_failed
    assert (
        *(found.appendonly, found.appendfsync, found.snapshots, found.maxmemory, found.maxmemory_policy),
        *(found.replicas, found.min_replicas_to_write),
    ) == expected


def test_what_cannot_be_read_is_said_so_and_is_no_warning() -> None:
    nothing = Durability.of({}, {}, wait_replicas=0)
    findings = [check(nothing) for check in CHECKS]
    assert {finding.level for finding in findings} == {"ok"}
    assert all(UNREADABLE in finding.fact for finding in findings)
    assert nothing.meaning == f"what a 202 means {UNREADABLE}"


@pytest.mark.parametrize(
    ("changes", "level", "words"),
    [
        ({"appendfsync": "always"}, "ok", "on the disk of Redis"),
        ({}, "ok", "on its disk within 2 s"),
        ({"appendfsync": "no"}, "warning", "the system decides"),
        ({"appendfsync": None}, "ok", f"when that is on its disk {UNREADABLE}"),
        ({"appendonly": False, "snapshots": True}, "warning", "since the last snapshot"),
        ({"appendonly": False, "snapshots": None}, "warning", f"whether snapshots are taken {UNREADABLE}"),
        ({"appendonly": False}, "problem", "every job is lost"),
        ({"append_failed": True}, "problem", "the last write to the append-only file failed"),
    ],
)
def test_what_a_202_means_is_said_in_words(changes: dict[str, Any], level: str, words: str) -> None:
    found = but(**changes)
    assert persistence(found).level == level
    assert words in found.meaning


def test_replicas_that_confirm_belong_to_the_meaning() -> None:
    assert but(wait_replicas=2).meaning.endswith("(appendfsync everysec); 2 replicas confirmed to have the job")


@pytest.mark.parametrize(
    ("replicas", "wanted", "least", "level", "words"),
    [
        (0, 0, 0, "ok", "no replica"),
        (2, 0, 0, "ok", "to one of 2 replicas; it loses what was not replicated by then"),
        (
            0,
            1,
            0,
            "problem",
            "no replica connected, and redis.wait_replicas is 1: jobs are stored, yet every POST gets 503",
        ),
        (1, 1, 0, "warning", "1 replica confirmed each job before its 202, while min-replicas-to-write is 0"),
        (1, 1, 1, "ok", "to one of 1 replica; 1 replica confirmed each job before its 202"),
        (1, 1, None, "ok", "1 replica confirmed each job before its 202"),
    ],
)
def test_what_a_failover_costs_is_said(replicas: int, wanted: int, least: int | None, level: str, words: str) -> None:
    found = failover(but(replicas=replicas, wait_replicas=wanted, min_replicas_to_write=least))
    assert found.level == level
    assert words in found.fact


@pytest.mark.parametrize(("maxmemory", "level"), [(0, "warning"), (100, "problem")])
def test_eviction_throws_jobs_away(maxmemory: int, level: str) -> None:
    found = eviction(but(maxmemory_policy="allkeys-lru", maxmemory=maxmemory))
    assert (found.level, found.advice) == (level, "set `maxmemory-policy noeviction`")
