"""`jobworker doctor` as a user runs it, on a real server."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import redis

from jobworker.cli.address import free_port
from jobworker.store.catalogue import HandlerEntry
from jobworker.store.ids import new_job_id
from jobworker.store.job import NewJob
from jobworker.store.jobs import JobStore
from jobworker.store.keys import Keys
from jobworker.store.retention import Retention
from tests.support.command import clean_environment
from tests.support.redis_server import RedisServer
from tests.support.supervisor_process import Workplace

pytestmark = pytest.mark.real

KEYS = Keys()


def doctor(url: str, directory: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "jobworker.cli", "doctor", "--redis", url, *options],
        cwd=directory,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def findings(server: RedisServer, directory: Path, *options: str) -> dict[str, list[dict[str, Any]]]:
    """Return what it finds, by check."""
    answer = json.loads(doctor(server.url, directory, "--json", *options).stdout)
    found: dict[str, list[dict[str, Any]]] = {}
    for finding in answer["findings"]:
        found.setdefault(finding["check"], []).append(finding)
    return found


def submit(server: RedisServer, count: int = 1) -> list[str]:
    with redis.Redis(port=server.port) as client:
        jobs = [NewJob(new_job_id(), "echo") for _ in range(count)]
        JobStore(client, KEYS, Retention()).enqueue(jobs)
    return [job.id for job in jobs]


def test_a_fresh_server_has_warnings_at_most_and_every_line_says_what_is_the_case(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    ended = doctor(redis_server.url, tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    head, *lines = ended.stdout.splitlines()
    assert head.split() == ["LEVEL", "CHECK", "FACT"]
    assert {line.split()[0] for line in lines} == {"ok", "warning"}
    assert any("a 202 means on the disk of Redis (appendfsync always)" in line for line in lines)
    assert any("none is running; start `jobworker supervisor`" in line for line in lines)


def test_json_says_the_same_for_machines(redis_server: RedisServer, tmp_path: Path) -> None:
    ended = doctor(redis_server.url, tmp_path, "--json")
    answer = json.loads(ended.stdout)
    assert answer["healthy"] is True
    assert {"check": "pauses", "level": "ok", "fact": "none", "advice": None} in answer["findings"]


def test_what_was_found_is_told_also_when_something_cannot_be_looked_at(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    [job_id] = submit(redis_server)
    with redis.Redis(port=redis_server.port) as client:
        client.set(KEYS.job(job_id), "not a hash")
    ended = doctor(redis_server.url, tmp_path, "--json")
    assert ended.returncode == 1
    found = json.loads(ended.stdout)["findings"]
    assert len(found) > 5
    assert (found[-1]["check"], found[-1]["level"]) == ("data", "problem")
    assert "WRONGTYPE" in found[-1]["fact"]


def test_a_fault_in_the_data_is_named_and_is_exit_code_1(redis_server: RedisServer, tmp_path: Path) -> None:
    [job_id] = submit(redis_server)
    with redis.Redis(port=redis_server.port) as client:
        client.delete(KEYS.job(job_id))
    ended = doctor(redis_server.url, tmp_path)
    assert ended.returncode == 1
    [line] = [line for line in ended.stdout.splitlines() if line.startswith("problem")]
    assert f"1 job that an index names, but without a record: {job_id} (in ready:default)" in line
    assert json.loads(doctor(redis_server.url, tmp_path, "--json").stdout)["healthy"] is False


def test_a_repair_puts_it_right_says_so_and_is_exit_code_0(redis_server: RedisServer, tmp_path: Path) -> None:
    [lost, gone] = submit(redis_server, 2)
    with redis.Redis(port=redis_server.port) as client:
        client.zrem(KEYS.ready("default"), lost)
        client.delete(KEYS.job(gone))
    ended = doctor(redis_server.url, tmp_path, "--repair")
    assert ended.returncode == 0, ended.stdout
    lines = [line.split(maxsplit=2)[2] for line in ended.stdout.splitlines() if line.split()[1] == "repair"]
    assert lines == [
        f"1 job now where its record says: {lost} (in ready:default)",
        f"1 name without a job, removed with all that was left under it: {gone} (in ready:default)",
    ]
    [after] = findings(redis_server, tmp_path)["data"]
    assert after["fact"] == "3 index entries and 1 job: they agree"


def test_all_of_it_is_looked_at_when_asked_for(redis_server: RedisServer, tmp_path: Path) -> None:
    for _ in range(51):
        submit(redis_server, 200)
    [bounded] = findings(redis_server, tmp_path)["data"]
    assert bounded["fact"] == "30000 index entries and 10000 jobs: they agree; there are more, which --all looks at"
    [full] = findings(redis_server, tmp_path, "--all")["data"]
    assert full["fact"] == "30600 index entries and 10200 jobs: they agree"


def test_it_changes_nothing(redis_server: RedisServer, tmp_path: Path) -> None:
    submit(redis_server)
    with redis.Redis(port=redis_server.port) as client:
        client.config_set("maxmemory-policy", "noeviction")
        before = client.info("persistence")["rdb_changes_since_last_save"]
        doctor(redis_server.url, tmp_path, "--all")
        assert client.info("persistence")["rdb_changes_since_last_save"] == before


def test_a_server_that_is_not_there_is_one_line_and_exit_code_3(tmp_path: Path) -> None:
    ended = doctor(f"redis://127.0.0.1:{free_port()}/0", tmp_path)
    assert (ended.returncode, ended.stdout) == (3, "")
    assert ended.stderr.startswith("jobworker: Redis is not reachable: ")
    assert ended.stderr.count("\n") == 1


def test_settings_that_lose_jobs_are_problems(own_server: RedisServer, tmp_path: Path) -> None:
    with redis.Redis(port=own_server.port) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.config_set("maxmemory", "200mb")
        client.config_set("appendonly", "no")
    found = findings(own_server, tmp_path)
    assert [found[check][0]["level"] for check in ("eviction", "durability")] == ["problem", "problem"]


def test_a_user_who_may_read_no_settings_is_told_so_and_all_else_works(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    [job_id] = submit(redis_server)
    with redis.Redis(port=redis_server.port) as admin:
        admin.execute_command("ACL", "SETUSER", "app", "on", ">secret", "~*", "+@all", "-info", "-config")
        admin.zrem(KEYS.ready("default"), job_id)
        ended = doctor(f"redis://app:secret@127.0.0.1:{redis_server.port}/0", tmp_path)
        admin.execute_command("ACL", "DELUSER", "app")
    assert ended.returncode == 1
    assert "durability   what a 202 means cannot be read: Redis denies INFO or CONFIG to this user" in ended.stdout
    assert f"1 job that no state index names: {job_id} (in ready:default)" in ended.stdout


def test_supervisors_tell_what_they_serve_and_which_handlers_they_have(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    place = Workplace(redis_server, tmp_path)
    try:
        place.start("--queue", "images").wait_for("ready")
        submit(redis_server)
        found = findings(redis_server, tmp_path)
        assert found["supervisors"][0]["fact"].startswith("one (pid ")
        assert found["queues"][0]["fact"] == "no supervisor serves queue default, pending there: 1 job"
        assert found["handlers"][0]["level"] == "ok"
        _plant_a_supervisor_that_disagrees(place.client)
        [disputed] = findings(redis_server, tmp_path)["handlers"]
        assert disputed["level"] == "warning"
        assert "declare type echo with different payloads or defaults" in disputed["fact"]
    finally:
        place.close()


def _plant_a_supervisor_that_disagrees(client: redis.Redis) -> None:
    record: Any = client.hgetall(KEYS.supervisor("one"))
    other = HandlerEntry("echo", {"type": "null"})
    client.hset(KEYS.supervisor("two"), mapping={**record, b"types": json.dumps({"echo": other.fingerprint})})
    epoch = int(record[b"epoch"])
    client.zadd(KEYS.supervisors, {f"two:{epoch}": int(record[b"lease_end"])})
