import io
import json
import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Literal

import pytest
import structlog

from jobworker.cli.logs import configure_logs
from jobworker.store.settings import LogSettings

Format = Literal["auto", "console", "json"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def configured(shape: Format = "auto", level: Literal["debug", "info"] = "info") -> io.StringIO:
    stream = io.StringIO()
    configure_logs(LogSettings(level=level, format=shape), stream)
    return stream


def entries(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_our_line_is_one_json_object_with_a_utc_time() -> None:
    stream = configured()
    structlog.stdlib.get_logger("jobworker.test").info("started", workers=3)
    (entry,) = entries(stream)
    assert datetime.fromisoformat(entry.pop("timestamp")).utcoffset() == timedelta(0)
    assert entry == {"event": "started", "workers": 3, "level": "info", "logger": "jobworker.test"}


def test_a_library_s_line_has_the_same_shape() -> None:
    stream = configured()
    logging.getLogger("waitress").warning("queue depth is %d", 4)
    (entry,) = entries(stream)
    assert (entry["event"], entry["level"], entry["logger"]) == ("queue depth is 4", "warning", "waitress")


def test_what_is_bound_to_the_context_is_in_the_line() -> None:
    stream = configured()
    with structlog.contextvars.bound_contextvars(job="1"):
        logging.getLogger("user").warning("hm")
    assert entries(stream)[0]["job"] == "1"


@pytest.mark.parametrize(("level", "count"), [("info", 0), ("debug", 2)])
def test_what_is_less_important_than_the_level_is_left_out(level: Literal["debug", "info"], count: int) -> None:
    stream = configured(level=level)
    structlog.stdlib.get_logger("a").debug("ours")
    logging.getLogger("b").debug("theirs")
    assert len(entries(stream)) == count


def fail(payload: str) -> None:
    raise ValueError("bad")


@pytest.mark.parametrize("shape", ["json", "console"])
def test_a_traceback_never_shows_locals(shape: Format) -> None:
    stream = configured(shape)
    try:
        fail("-".join(("a", "secret")))
    except ValueError:
        structlog.stdlib.get_logger("a").exception("failed")
    assert "ValueError: bad" in stream.getvalue()
    assert "a-secret" not in stream.getvalue()


def test_on_a_terminal_lines_are_for_people() -> None:
    stream = Terminal()
    configure_logs(LogSettings(), stream)
    structlog.stdlib.get_logger("a").info("started")
    assert "started" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


def test_the_format_can_be_forced() -> None:
    stream = Terminal()
    configure_logs(LogSettings(format="json"), stream)
    structlog.stdlib.get_logger("a").info("started")
    assert json.loads(stream.getvalue())["event"] == "started"
