"""What the log is told of what Redis refuses."""

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from jobworker.api.trouble import QUIET_SECONDS, Trouble


class Told:
    """A trouble under a clock that is moved by hand, and what the log was told."""

    def __init__(self, logs: list[EventDict]) -> None:
        self.now = 1000.0
        self.trouble = Trouble(lambda: self.now)
        self._logs = logs

    def take(self) -> list[tuple[str, str]]:
        """Return level and reason of each new line."""
        lines = [(line["log_level"], line.get("reason", "")) for line in self._logs]
        self._logs.clear()
        return lines


@pytest.fixture
def told() -> Iterator[Told]:
    with capture_logs() as logs:
        yield Told(logs)


def test_it_is_told_once_when_it_begins(told: Told) -> None:
    for _ in range(100):
        told.trouble.refused("full")
        told.trouble.succeeded()
    assert told.take() == [("error", "full")]
    assert told.trouble.reason == "full"


def test_while_it_lasts_it_is_told_at_most_every_ten_seconds_with_the_last_reason(told: Told) -> None:
    for second in range(21):
        told.now = 1000.0 + second
        told.trouble.refused(f"reason {second}")
    assert told.take() == [("error", "reason 0"), ("error", "reason 10"), ("error", "reason 20")]


def test_it_has_passed_when_calls_succeed_and_none_was_refused_for_a_while(told: Told) -> None:
    told.trouble.refused("full")
    told.now += QUIET_SECONDS - 0.1
    told.trouble.succeeded()
    assert told.trouble.reason == "full"
    told.now += 0.1
    told.trouble.succeeded()
    told.trouble.succeeded()
    assert told.trouble.reason is None
    assert told.take() == [("error", "full"), ("info", "")]


def test_the_next_one_is_told_at_once(told: Told) -> None:
    told.trouble.refused("full")
    told.now += QUIET_SECONDS
    told.trouble.succeeded()
    told.take()
    told.trouble.refused("denied")
    assert told.take() == [("error", "denied")]


def test_without_a_trouble_success_is_no_news(told: Told) -> None:
    told.trouble.succeeded()
    assert told.take() == []
