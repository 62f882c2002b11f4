"""The Compose file: what it publishes, how it stops, what its parts may do."""

import re
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jobworker.store.settings import ApiSettings, SupervisorSettings
from jobworker.supervisor.supervisor import DELIVERY_SECONDS
from tests.unit.compose.conftest import ROOT, Compose

SERVICES = ("redis", "api", "supervisor")


def service(project: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = project["services"][name]
    return found


def test_it_has_these_services_and_is_called_jobworker(project: dict[str, Any]) -> None:
    assert project["name"] == "jobworker"
    assert set(project["services"]) == set(SERVICES)


def test_in_its_folder_it_is_the_same_project_as_at_the_root(project: dict[str, Any], compose: Compose) -> None:
    inside: dict[str, Any] = msgspec.json.decode(compose(ROOT / "compose" / "compose.yaml", "--format", "json").stdout)
    assert {name: value for name, value in inside.items() if not name.startswith("x-")} == project


def test_only_the_api_is_published_and_only_on_loopback(project: dict[str, Any]) -> None:
    published = {name: service(project, name).get("ports", []) for name in SERVICES}
    assert (published["redis"], published["supervisor"]) == ([], [])
    assert [(port["host_ip"], port["published"], port["target"]) for port in published["api"]] == [
        ("127.0.0.1", "8080", 8080)
    ]


def test_the_supervisor_has_time_to_drain_and_to_deliver(project: dict[str, Any]) -> None:
    grace_seconds = int(service(project, "supervisor")["stop_grace_period"].removesuffix("s"))
    assert grace_seconds >= SupervisorSettings().grace + DELIVERY_SECONDS


def test_the_api_has_time_to_end_its_answers(project: dict[str, Any]) -> None:
    assert int(service(project, "api")["stop_grace_period"].removesuffix("s")) > ApiSettings().grace


@pytest.mark.parametrize("name", ["api", "supervisor"])
def test_redis_is_stopped_last(project: dict[str, Any], name: str) -> None:
    assert "redis" in service(project, name)["depends_on"]


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_may_do_no_more_than_it_must(project: dict[str, Any], name: str) -> None:
    found = service(project, name)
    assert found["read_only"] is True
    assert found["cap_drop"] == ["ALL"]
    assert found["security_opt"] == ["no-new-privileges:true"]
    assert found["restart"] == "unless-stopped"
    assert not {"privileged", "cap_add", "network_mode", "pid"} & set(found)


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_checked(project: dict[str, Any], name: str) -> None:
    expected = ["redis-cli", "-e", "ping"] if name == "redis" else ["jobworker", "healthcheck", name]
    assert service(project, name)["healthcheck"]["test"] == ["CMD", *expected]


def test_supervisors_can_be_scaled(project: dict[str, Any]) -> None:
    supervisor = service(project, "supervisor")
    assert not {"container_name", "hostname", "ports"} & set(supervisor)
    assert "--name" not in supervisor["command"]


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_mounted_is_there_and_cannot_be_written(project: dict[str, Any], name: str) -> None:
    for mount in service(project, name).get("volumes", []):
        if mount["type"] == "bind":
            assert Path(mount["source"]).exists()
            assert mount["read_only"]
        else:
            assert mount["source"] in project["volumes"]


def test_the_handlers_of_the_command_are_in_the_folder_that_is_mounted(project: dict[str, Any]) -> None:
    supervisor = service(project, "supervisor")
    [folder] = [mount["source"] for mount in supervisor["volumes"] if mount["target"] == "/handlers"]
    assert supervisor["command"] == ["supervisor", "--handlers", "handlers.py"]
    assert (Path(folder) / "handlers.py").is_file()


def test_one_variable_mounts_another_folder(compose: Compose, tmp_path: Path) -> None:
    answer = compose(ROOT / "compose.yaml", "--format", "json", HANDLERS=str(tmp_path))
    mounts = msgspec.json.decode(answer.stdout)["services"]["supervisor"]["volumes"]
    assert str(tmp_path) in [mount["source"] for mount in mounts]


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("stop_grace_period: 35s", "stop_grace: 35s"),
        ("  state:\n", ""),
        ("<<: *part", "<<: *parts"),
        ("depends_on: [redis]", "depends_on: [valkey]"),
    ],
)
def test_a_broken_file_is_refused(compose: Compose, tmp_path: Path, right: str, wrong: str) -> None:
    file = tmp_path / "compose.yaml"
    shutil.copy(ROOT / "compose" / "compose.yaml", file)
    assert compose(file, "--quiet").returncode == 0
    assert file.read_text().count(right) >= 1
    file.write_text(file.read_text().replace(right, wrong))
    assert compose(file, "--quiet").returncode != 0


def test_redis_keeps_what_it_accepts() -> None:
    lines = dict(re.findall(r"^([a-z-]+) (.+)$", (ROOT / "compose" / "redis.conf").read_text(), re.MULTILINE))
    assert (lines["appendonly"], lines["appendfsync"], lines["maxmemory-policy"]) == ("yes", "everysec", "noeviction")
