import json
import logging
import os
import pty
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Literal

import pytest
import structlog

from jobworker.cli.logs import configure_logs
from jobworker.cli.outlet import PIECE_BYTES, Outlet
from jobworker.store.settings import LogSettings
from tests.support.full_pipe import full_pipe

Format = Literal["auto", "console", "json"]


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


class Written:
    """What stands in a file of no name."""

    def __init__(self) -> None:
        self.descriptor = os.memfd_create("log")

    @property
    def text(self) -> str:
        return os.pread(self.descriptor, 1 << 20, 0).decode()

    def close(self) -> None:
        os.close(self.descriptor)


@pytest.fixture
def written() -> Iterator[Written]:
    file = Written()
    yield file
    file.close()


def configure(written: Written, shape: Format = "auto", level: Literal["debug", "info"] = "info") -> None:
    configure_logs(LogSettings(level=level, format=shape), Outlet(written.descriptor))


def entries(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_our_line_is_one_json_object_with_a_utc_time(written: Written) -> None:
    configure(written)
    structlog.stdlib.get_logger("jobworker.test").info("started", workers=3)
    (entry,) = entries(written.text)
    assert datetime.fromisoformat(entry.pop("timestamp")).utcoffset() == timedelta(0)
    assert entry == {"event": "started", "workers": 3, "level": "info", "logger": "jobworker.test"}


def test_a_library_s_line_has_the_same_shape(written: Written) -> None:
    configure(written)
    logging.getLogger("waitress").warning("queue depth is %d", 4)
    (entry,) = entries(written.text)
    assert (entry["event"], entry["level"], entry["logger"]) == ("queue depth is 4", "warning", "waitress")


def test_what_is_bound_to_the_context_is_in_the_line(written: Written) -> None:
    configure(written)
    with structlog.contextvars.bound_contextvars(job="1"):
        logging.getLogger("user").warning("hm")
    assert entries(written.text)[0]["job"] == "1"


@pytest.mark.parametrize(("level", "count"), [("info", 0), ("debug", 2)])
def test_what_is_less_important_than_the_level_is_left_out(
    written: Written, level: Literal["debug", "info"], count: int
) -> None:
    configure(written, level=level)
    structlog.stdlib.get_logger("a").debug("ours")
    logging.getLogger("b").debug("theirs")
    assert len(entries(written.text)) == count


def fail(payload: str) -> None:
    raise ValueError("bad")


@pytest.mark.parametrize("shape", ["json", "console"])
def test_a_traceback_never_shows_locals(written: Written, shape: Format) -> None:
    configure(written, shape)
    try:
        fail("-".join(("a", "secret")))
    except ValueError:
        structlog.stdlib.get_logger("a").exception("failed")
    assert "ValueError: bad" in written.text
    assert "a-secret" not in written.text


@pytest.mark.parametrize("shape", ["auto", "json"])
def test_on_a_terminal_lines_are_for_people_unless_the_format_is_forced(shape: Format) -> None:
    ours, theirs = pty.openpty()
    configure_logs(LogSettings(format=shape), Outlet(theirs))
    structlog.stdlib.get_logger("a").info("started")
    line = os.read(ours, 4096).decode()
    assert "started" in line
    assert line.startswith("{") == (shape == "json")
    os.close(ours)
    os.close(theirs)


def test_lines_that_nobody_takes_are_counted_and_told_when_somebody_does() -> None:
    with full_pipe(PIECE_BYTES) as pipe:
        configure_logs(LogSettings(), Outlet(pipe.writer))
        log = structlog.stdlib.get_logger("a")
        log.info("kept", text="x" * (PIECE_BYTES - 200))
        for number in range(3):
            log.info("lost", number=number, text="y" * 200)
        assert b"lost" not in pipe.drain()
        log.info("first")
        log.info("second")
        notice, first, second = entries(pipe.drain().decode())
        assert notice["event"] == "3 lines of the log are lost: nobody took them in time"
        assert (notice["level"], notice["logger"]) == ("warning", "jobworker.log")
        assert (first["event"], second["event"]) == ("first", "second")
