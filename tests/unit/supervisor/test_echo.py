"""What jobs print, in the supervisor's own log."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from jobworker.store.claims import Attempted
from jobworker.supervisor.echo import LINE_CHARACTERS, LINES_PER_SECOND, Echo

ONE, TWO = Attempted("one", 1), Attempted("two", 2)


class Clock:
    def __init__(self) -> None:
        self.now = 10.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def lines(logs: list[Any]) -> list[tuple[str, str]]:
    return [(entry["job"], entry["line"]) for entry in logs if entry["event"] == "output"]


def test_each_line_is_logged_with_its_job_when_it_is_complete(clock: Clock) -> None:
    echo = Echo(clock)
    with capture_logs() as logs:
        echo.write(ONE, b"begin")
        echo.write(TWO, b"other\n")
        echo.write(ONE, b"ning\nnext\nla")
        echo.end(ONE)
        echo.end(ONE)
        echo.end(TWO)
    assert lines(logs) == [("two", "other"), ("one", "beginning"), ("one", "next"), ("one", "la")]


def test_each_line_says_what_else_is_known_of_its_attempt_until_that_ends(clock: Clock) -> None:
    echo = Echo(clock)
    with capture_logs() as logs:
        echo.begin(ONE, {"trace_id": "4711"})
        echo.write(ONE, b"first\nlast")
        echo.end(ONE)
        echo.write(ONE, b"later\n")
    assert [entry.get("trace_id") for entry in logs] == ["4711", "4711", None]
    assert not echo._logged


def test_what_a_terminal_would_act_on_is_replaced_and_long_lines_are_cut(clock: Clock) -> None:
    echo = Echo(clock)
    with capture_logs() as logs:
        echo.write(ONE, b"\x1b[2Jred\xff\ttab\r\n" + b"x" * 10_000 + b"\n")
    (_, first), (_, second) = lines(logs)
    assert first == "\ufffd[2Jred\ufffd\ttab"
    assert second == "x" * LINE_CHARACTERS


def test_a_line_without_end_does_not_fill_memory(clock: Clock) -> None:
    echo = Echo(clock)
    for _ in range(100):
        echo.write(ONE, b"x" * 10_000)
    assert sum(map(len, echo._beginnings.values())) <= 4 * LINE_CHARACTERS


def test_a_flood_is_cut_and_the_log_says_so(clock: Clock) -> None:
    echo = Echo(clock)
    with capture_logs() as logs:
        echo.write(ONE, b"line\n" * (LINES_PER_SECOND + 7))
        clock.now += 1
        echo.write(ONE, b"again\n")
    assert len(lines(logs)) == LINES_PER_SECOND + 1
    assert [entry["lines"] for entry in logs if entry["event"].startswith("output left out")] == [7]
