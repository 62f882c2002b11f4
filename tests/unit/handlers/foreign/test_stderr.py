import pytest

from jobworker.handlers import Job
from jobworker.handlers.foreign.stderr import MAX_LINE_BYTES, StderrLines


class Listener:
    """Hears the progress of a job."""

    def __init__(self) -> None:
        self.heard: list[tuple[float | None, str]] = []

    def progress(self, fraction: float | None, message: str = "") -> None:
        self.heard.append((fraction, message))


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def lines(listener: Listener) -> StderrLines:
    job: Job = listener  # type: ignore[assignment]
    return StderrLines(job)


def passed_on(capfd: pytest.CaptureFixture[str]) -> str:
    return capfd.readouterr().err


@pytest.mark.parametrize(
    ("line", "heard"),
    [
        ("::progress 0.5 half done\n", (0.5, "half done")),
        ("::progress 0\n", (0.0, "")),
        ("::progress 1.0 all\r\n", (1.0, "all")),
        ("::progress .25\n", (0.25, "")),
        ("::progress - still reading\n", (None, "still reading")),
    ],
)
def test_a_progress_line_tells_the_job(
    lines: StderrLines, listener: Listener, capfd: pytest.CaptureFixture[str], line: str, heard: tuple[float, str]
) -> None:
    lines.feed(line.encode())
    assert listener.heard == [heard]
    assert passed_on(capfd) == ""


@pytest.mark.parametrize(
    "line", ["::progress 1.5 x\n", "::progress half\n", "::progress\n", " ::progress 0.5\n", "::progress 0.5x\n"]
)
def test_what_only_looks_like_one_is_a_line_of_the_log(
    lines: StderrLines, listener: Listener, capfd: pytest.CaptureFixture[str], line: str
) -> None:
    lines.feed(line.encode())
    assert listener.heard == []
    assert passed_on(capfd) == line


def test_a_line_is_passed_on_when_it_is_whole(
    lines: StderrLines, listener: Listener, capfd: pytest.CaptureFixture[str]
) -> None:
    lines.feed(b"one\ntw")
    assert passed_on(capfd) == "one\n"
    lines.feed(b"o\n::prog")
    assert passed_on(capfd) == "two\n"
    lines.feed(b"ress 0.5\nthree")
    assert listener.heard == [(0.5, "")]
    lines.end()
    assert passed_on(capfd) == "three\n"
    assert lines.last_lines() == "one\ntwo\nthree"


def test_a_line_without_end_does_not_fill_memory(lines: StderrLines, capfd: pytest.CaptureFixture[str]) -> None:
    for _ in range(20):
        lines.feed(b"x" * MAX_LINE_BYTES)
    lines.end()
    assert passed_on(capfd) == "x" * 20 * MAX_LINE_BYTES + "\n"
    assert len(lines.last_lines()) < MAX_LINE_BYTES
