"""sd_notify: what is sent to whom, and what the environment keeps."""

import os
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from jobworker.supervisor.notify import Notifier
from tests.support.service_manager import ServiceManager


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ServiceManager]:
    address = f"@jobworker-{uuid.uuid4()}" if request.param == "abstract" else str(tmp_path / "notify")
    with closing(ServiceManager(address)) as manager:
        yield manager


def test_what_is_told_is_heard_as_one_message(manager: ServiceManager) -> None:
    with closing(Notifier.from_environment({"NOTIFY_SOCKET": manager.address})) as notifier:
        assert notifier.tell("READY=1", "STATUS=serving")
        assert manager.has_heard("READY=1")
        assert manager.heard == [["READY=1", "STATUS=serving"]]


def test_nothing_to_tell_is_not_sent(manager: ServiceManager) -> None:
    with closing(Notifier.from_environment({"NOTIFY_SOCKET": manager.address})) as notifier:
        assert notifier.tell()
        assert not manager.has_heard("")


def test_without_a_service_manager_there_is_nobody_to_tell() -> None:
    with closing(Notifier.from_environment({})) as notifier:
        assert notifier.tell("READY=1")
        assert notifier.watchdog_seconds is None


def test_one_that_does_not_listen_does_no_harm(tmp_path: Path) -> None:
    with closing(Notifier.from_environment({"NOTIFY_SOCKET": str(tmp_path / "nobody")})) as notifier:
        assert not notifier.tell("READY=1")


def test_one_that_is_stuck_is_not_waited_for(tmp_path: Path) -> None:
    with (
        closing(ServiceManager.at(tmp_path)) as manager,
        closing(Notifier.from_environment({"NOTIFY_SOCKET": manager.address})) as notifier,
    ):
        # Nobody reads: the socket's queue fills up.
        assert not all(notifier.tell("WATCHDOG=1") for _ in range(10_000))


def test_the_environment_forgets_it() -> None:
    environ = {"NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1", "HOME": "/"}
    Notifier.from_environment(environ).close()
    assert environ == {"HOME": "/"}


@pytest.mark.parametrize(
    ("usec", "pid", "seconds"),
    [
        ("30000000", "ours", 30.0),
        ("500000", None, 0.5),
        ("30000000", "1", None),  # meant for another process
        ("0", None, None),
        ("soon", None, None),
        (None, "ours", None),
    ],
)
def test_the_watchdog_counts_if_it_is_meant_for_us(usec: str | None, pid: str | None, seconds: float | None) -> None:
    given = {"WATCHDOG_USEC": usec, "WATCHDOG_PID": str(os.getpid()) if pid == "ours" else pid}
    environ = {name: value for name, value in given.items() if value is not None}
    with closing(Notifier.from_environment(environ)) as notifier:
        assert notifier.watchdog_seconds == seconds
