"""What the checks of the server say of each kind of server."""

from typing import Any

import msgspec
import pytest

from jobworker.cli.checks.server import (
    CHECKS,
    clock,
    compactness,
    memory,
    role,
    round_trip,
    schema,
    version,
)
from jobworker.store.durability import UNREADABLE
from jobworker.store.inspection import ServerFacts

MIB = 1024**2
SOUND = ServerFacts(
    info={
        "redis_version": "7.0.15",
        "redis_mode": "standalone",
        "role": "master",
        "connected_slaves": 0,
        "aof_enabled": 1,
        "aof_last_write_status": "ok",
        "maxmemory_policy": "noeviction",
        "used_memory": MIB,
        "maxmemory": 0,
    },
    config={"appendfsync": "everysec", "save": "", "hash-max-listpack-value": "512"},
    schema="1.0",
    round_trip_ms=0.2,
    clock_ahead_ms=1.5,
)


def with_info(**info: Any) -> ServerFacts:
    return msgspec.structs.replace(SOUND, info={**SOUND.info, **info})


def with_config(**config: str) -> ServerFacts:
    return msgspec.structs.replace(SOUND, config={**SOUND.config, **config})


def test_a_sound_server_is_ok_at_every_point() -> None:
    findings = [check(SOUND) for check in CHECKS]
    assert {finding.level for finding in findings} == {"ok"}
    assert all(finding.fact and finding.advice is None for finding in findings)
    assert len({finding.check for finding in findings}) == len(CHECKS)


def test_what_is_not_readable_is_said_and_no_error() -> None:
    findings = [check(msgspec.structs.replace(SOUND, info={}, config={})) for check in CHECKS]
    assert {finding.level for finding in findings} == {"ok"}
    assert sum(UNREADABLE in finding.fact for finding in findings) == 4


def test_valkey_is_named_by_its_own_version() -> None:
    assert version(with_info(valkey_version="9.1.0", redis_version="7.2.4")).fact == "Valkey 9.1.0, standalone"


def test_an_old_version_is_a_warning() -> None:
    assert version(with_info(redis_version="6.2.1")).level == "warning"


@pytest.mark.parametrize("mode", ["cluster", "sentinel"])
def test_another_mode_is_a_problem(mode: str) -> None:
    found = version(with_info(redis_mode=mode))
    assert (found.level, found.advice) == ("problem", "connect to a single server")


def test_a_replica_is_a_problem_and_its_primary_is_named() -> None:
    found = role(with_info(role="slave", master_host="db1", master_port=6379))
    assert (found.level, found.advice) == ("problem", "connect to its primary, db1:6379")


def test_replicas_are_counted() -> None:
    assert role(with_info(connected_slaves=1)).fact == "primary with 1 replica"


def test_a_long_way_is_a_warning() -> None:
    assert round_trip(msgspec.structs.replace(SOUND, round_trip_ms=12.3)).level == "warning"


@pytest.mark.parametrize(("ahead_ms", "words"), [(2500.0, "2.500 s ahead of"), (-2500.0, "2.500 s behind")])
def test_clocks_apart_are_a_warning(ahead_ms: float, words: str) -> None:
    found = clock(msgspec.structs.replace(SOUND, clock_ahead_ms=ahead_ms))
    assert found.level == "warning"
    assert words in found.fact


@pytest.mark.parametrize(
    ("used", "level"), [(10 * MIB, "ok"), (80 * MIB, "warning"), (95 * MIB, "problem"), (120 * MIB, "problem")]
)
def test_memory_that_runs_out_is_told_in_time(used: int, level: str) -> None:
    found = memory(with_info(used_memory=used, maxmemory=100 * MIB))
    assert found.level == level
    assert found.fact == f"{used / MIB:.1f} MiB of 100.0 MiB used"


def test_a_small_listpack_value_is_a_warning_under_both_names() -> None:
    assert compactness(with_config(**{"hash-max-listpack-value": "64"})).level == "warning"
    old = msgspec.structs.replace(SOUND, config={"hash-max-ziplist-value": "64"})
    assert compactness(old).level == "warning"


def test_data_of_another_major_schema_is_a_problem_and_none_is_none() -> None:
    assert schema(msgspec.structs.replace(SOUND, schema="2.0")).level == "problem"
    assert schema(msgspec.structs.replace(SOUND, schema="1.9")).level == "ok"
    assert schema(msgspec.structs.replace(SOUND, schema=None)).level == "ok"
