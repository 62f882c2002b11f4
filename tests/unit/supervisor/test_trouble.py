"""What Redis refuses: told at once, seldom again, and when it is over."""

from typing import Any

from structlog.testing import capture_logs

from jobworker.store.errors import StoreError
from jobworker.supervisor.trouble import NEWS_SECONDS, REPEAT_SECONDS, Trouble


class Scene:
    def __init__(self) -> None:
        self.now = 0.0
        self.trouble = Trouble("jobworker.test", clock=lambda: self.now)
        self.lines: list[Any] = []

    def meet(self, reason: str, *, after_seconds: float = 0.0) -> int:
        """Meet an error; return how many lines that made."""
        self.now += after_seconds
        with capture_logs() as lines:
            self.trouble.met("redis refuses us", StoreError(reason), fenced=False)
        self.lines += lines
        return len(lines)

    def end(self) -> int:
        with capture_logs() as lines:
            self.trouble.over("it is well again")
        self.lines += lines
        return len(lines)


def test_it_is_told_at_once_and_then_once_a_minute_while_it_lasts() -> None:
    scene = Scene()
    assert scene.meet("full") == 1
    assert [scene.meet("full", after_seconds=1) for _ in range(round(REPEAT_SECONDS))] == [0] * 59 + [1]
    assert [line["seconds"] for line in scene.lines] == [0, 60]
    assert scene.lines[0] == {
        "event": "redis refuses us",
        "log_level": "warning",
        "error": "full",
        "seconds": 0,
        "fenced": False,
    }


def test_another_reason_is_told_soon_but_two_in_turns_are_no_flood() -> None:
    scene = Scene()
    scene.meet("reset")
    assert scene.meet("loading", after_seconds=NEWS_SECONDS) == 1
    assert sum(scene.meet(reason, after_seconds=0.01) for reason in ("reset", "loading") * 40) == 0


def test_one_that_comes_and_goes_is_no_flood_either() -> None:
    scene = Scene()
    made = 0
    for _ in range(80):
        made += scene.meet("reset", after_seconds=0.01) + scene.end()
    assert made == 2


def test_its_end_is_told_with_how_long_it_was() -> None:
    scene = Scene()
    assert scene.end() == 0
    scene.meet("full")
    scene.meet("full", after_seconds=7)
    assert scene.end() == 1
    assert scene.lines[-1] == {"event": "it is well again", "log_level": "info", "seconds": 7}
    assert scene.end() == 0


def test_the_reason_is_one_line_and_gone_when_it_is_over() -> None:
    scene = Scene()
    scene.meet("two\nlines")
    assert scene.trouble.reason == "two lines"
    scene.end()
    assert scene.trouble.reason == ""
