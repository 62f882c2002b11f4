from collections.abc import Callable
from typing import Any

from click.testing import Result

from jobworker.cli.jobview import text
from tests.unit.cli.conftest import sentence
from tests.unit.cli.stub_api import StubApi

Invoke = Callable[..., Result]


def job(**changes: Any) -> dict[str, Any]:
    return {
        "id": "0192",
        "type": "echo",
        "queue": "default",
        "priority": 5,
        "status": "succeeded",
        "cancel_requested_at": None,
        "payload": {"n": 1},
        "result": {"n": 1},
        "failures": 0,
        "crashes": 0,
        "max_attempts": 3,
        "max_crashes": 3,
        "created_at": "2026-11-24T04:00:00.000Z",
        "run_at": "2026-11-24T04:00:00.000Z",
        "expires_at": None,
        "started_at": "2026-11-24T04:00:01.000Z",
        "ended_at": "2026-11-24T04:00:02.500Z",
        "wait_seconds": 1.0,
        "run_seconds": 1.5,
        "supervisor": "vm",
        "worker": 77,
        "reason": None,
        "error": None,
        "attempts": [],
        **changes,
    }


def lines(**changes: Any) -> list[str]:
    return text(job(**changes)).splitlines()


def test_a_job_is_shown_line_by_line() -> None:
    assert lines() == [
        "job           0192",
        "status        succeeded",
        "type          echo",
        "queue         default",
        "priority      5",
        "created       2026-11-24T04:00:00.000Z",
        "due           2026-11-24T04:00:00.000Z",
        "started       2026-11-24T04:00:01.000Z",
        "ended         2026-11-24T04:00:02.500Z",
        "supervisor    vm",
        "worker        77",
        "attempts      0 of 3 failed",
        "waited        1.000 s",
        "ran           1.500 s",
        'payload       {"n":1}',
        'result        {"n":1}',
    ]


def test_progress_and_the_amount_of_output_are_shown() -> None:
    progress = {"fraction": 0.256, "message": "decoded\x1b", "at": "2026-11-24T04:00:02.000Z"}
    shown = lines(progress=progress, log_bytes=1_234_567)
    assert "progress      26%, decoded\\x1b (2026-11-24T04:00:02.000Z)" in shown
    assert "output        1,234,567 bytes (jobworker log 0192)" in shown
    assert "progress      half (now)" in lines(progress={"fraction": None, "message": "half", "at": "now"})
    assert "progress      0% (now)" in lines(progress={"fraction": 0.0, "message": "", "at": "now"})


def test_each_failed_attempt_is_shown_with_outcome_and_verdict() -> None:
    attempts = [
        {"attempt": 1, "outcome": "raised", "duration": 0.5, "reason": None, "worker": 7, "supervisor": "vm"}
        | {"error": {"type": "ValueError", "message": "bad\nworse", "traceback": None}},
        {"attempt": 2, "outcome": "lost", "duration": 1, "reason": "its supervisor vanished", "worker": 8}
        | {"supervisor": "vm", "error": None, "stack": "Thread 1:\n  File a"},
    ]
    shown = lines(attempts=attempts, crashes=1, failures=1)
    assert "attempts      1 of 3 failed, 1 of 3 crashed" in shown
    assert "  no. 1       raised after 0.500 s, ValueError: bad, worker 7 of vm" in shown
    last = shown.index("  no. 2       lost after 1.000 s, its supervisor vanished, worker 8 of vm")
    assert shown[last + 1 : last + 3] == ["    hung in   Thread 1:", "                File a"]


def test_what_it_cost_is_shown_for_each_attempt_and_for_the_last() -> None:
    receipt = {"wall_seconds": 0.5, "cpu_user_seconds": 0.25, "cpu_system_seconds": 0.5, "peak_rss_bytes": 33 * 2**20}
    attempt = {"attempt": 1, "outcome": "raised", "duration": 0.5, "reason": None, "worker": 7, "supervisor": "vm"}
    times = {"started_at": "2026-11-24T04:00:01.000Z", "ended_at": "2026-11-24T04:00:01.500Z"}
    shown = lines(attempts=[{**attempt, **times, "receipt": {**receipt, "peak_rss_bytes": None}}], receipt=receipt)
    assert "    at        2026-11-24T04:00:01.000Z to 2026-11-24T04:00:01.500Z" in shown
    assert "    cost      0.25 s CPU, 0.5 s in the kernel" in shown
    assert "cost          0.25 s CPU, 0.5 s in the kernel, at most 33 MiB" in shown


def test_tags_are_shown() -> None:
    assert "tags          red blue" in lines(tags=["red", "blue"])


def test_a_traceback_is_shown_in_full_and_indented() -> None:
    error = {"type": "ValueError", "message": "bad", "traceback": 'Traceback:\n  File "a"\nValueError: bad\n'}
    shown = lines(status="failed", error=error)
    assert shown[-3:] == ["error         Traceback:", '                File "a"', "              ValueError: bad"]


def test_control_characters_never_reach_the_terminal() -> None:
    error = {"type": "E", "message": "\x1b]0;owned\x07", "traceback": None}
    shown = text(job(status="failed", error=error, payload="\x1b[2J", reason="\x9b1m"))
    assert not {"\x1b", "\x07", "\x9b"} & set(shown)
    assert "E: \\x1b]0;owned\\x07" in shown


def test_the_command_prints_plain_text_where_there_is_no_terminal(stub: StubApi, invoke: Invoke) -> None:
    stub.will_answer(job())
    assert invoke("job", "0192").output == text(job()) + "\n"
    assert stub.asked[0].path == "/jobs/0192"


def test_a_job_that_waits_shows_the_pause_for_which_it_waits(stub: StubApi, invoke: Invoke) -> None:
    pause = {"queue": None, "since": "2026-11-24T05:00:00.000Z", "who": "api 127.0.0.1", "reason": "disk\x1bfull"}
    for status in ("pending", "scheduled"):
        stub.will_answer(job(status=status))
        stub.will_answer({"name": "default", "pause": pause})
        shown = invoke("job", "0192").output
        assert "paused        everything, since 2026-11-24T05:00:00.000Z, by api 127.0.0.1: disk\\x1bfull\n" in shown
        assert stub.asked[-1].path == "/queues/default"
    stub.will_answer(job(status="pending"))
    stub.will_answer({"name": "default", "pause": None})
    assert "paused" not in invoke("job", "0192").output


def test_json_prints_the_answer(stub: StubApi, invoke: Invoke) -> None:
    stub.will_answer({"id": "0192"})
    assert invoke("job", "0192", "--json").output == '{"id":"0192"}\n'


def test_an_unknown_id_is_one_line(stub: StubApi, invoke: Invoke) -> None:
    stub.will_refuse(404, "no job has the id x")
    assert sentence(invoke("job", "x")) == "no job has the id x"
