"""The client commands against a running `up`, and the example on real input."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.command import clean_environment
from tests.support.up_process import UpProcess
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real

EXAMPLE: Final = Path(__file__).parents[2] / "examples" / "stdlib_metrics"


def test_submit_waits_and_prints_the_result(up: UpProcess) -> None:
    done = up.run("submit", "echo", '{"a":1}', "--wait")
    assert (done.returncode, json.loads(done.stdout), done.stderr) == (0, {"a": 1}, "")


def test_submit_prints_the_id_by_which_job_finds_it(up: UpProcess) -> None:
    submitted = up.run("submit", "sum", '{"a": 20, "b": 22}', "--priority", "9")
    job_id = submitted.stdout.strip()
    up.wait_for_end(job_id)
    shown = up.run("job", job_id, "--json")
    assert (submitted.returncode, shown.returncode) == (0, 0)
    assert json.loads(shown.stdout) == up.job(job_id)
    assert "succeeded" in up.run("job", job_id).stdout


def test_a_job_that_fails_is_exit_code_1_and_its_reason(up: UpProcess) -> None:
    done = up.run("submit", "give_up", "--wait")
    assert (done.returncode, done.stdout) == (1, "")
    assert "there is no such invoice" in done.stderr


def test_pause_and_resume(up: UpProcess) -> None:
    try:
        paused = up.run("pause", "--reason", "a look inside")
        job_id = up.submit("echo")
        assert up.job(job_id)["status"] == "pending"
        assert "a look inside" in up.get("/readyz").json["warnings"][0]
    finally:
        resumed = up.run("resume")
    assert (paused.returncode, paused.stdout) == (0, "Job processing paused\n")
    assert (resumed.returncode, resumed.stdout) == (0, "Job processing resumed\n")
    assert up.wait_for_end(job_id)["status"] == "succeeded"


def test_a_job_is_listed_cancelled_retried_and_deleted(up: UpProcess) -> None:
    queue = ("--queue", "of-this-test")
    job_id = up.run("submit", "echo", "1", *queue, "--delay", "3600").stdout.strip()
    listed = up.run("jobs", *queue, "--json")
    assert [json.loads(line)["id"] for line in listed.stdout.splitlines()] == [job_id]
    assert up.run("cancel", job_id).stdout == f"{job_id} cancelled\n"
    assert job_id in up.run("jobs", *queue, "--status", "cancelled", "--type", "echo").stdout
    assert up.run("retry", job_id).returncode == 0
    assert up.wait_for_end(job_id)["status"] == "succeeded"
    refused = up.run("cancel", job_id)
    assert (refused.returncode, refused.stderr) == (
        1,
        f"jobworker: {job_id}: job {job_id} has already ended: it is succeeded\n",
    )
    assert up.run("delete", job_id).stdout == f"{job_id} deleted\n"
    assert up.get(f"/jobs/{job_id}").status == 404
    assert len(up.run("jobs", *queue).stdout.splitlines()) == 1, "the titles alone"


def test_the_stack_of_a_running_job_is_shown(up: UpProcess) -> None:
    job_id = up.submit("sleep", 60)
    wait_until(lambda: up.job(job_id)["status"] == "running")
    shown = up.run("stack", job_id)
    assert (shown.returncode, "in sleep" in shown.stdout) == (0, True)
    assert up.run("cancel", job_id).returncode == 0
    assert up.wait_for_end(job_id)["cancelled_by"] == "api 127.0.0.1"


def test_the_supervisor_runs_more_jobs_at_once_when_it_is_asked_to(up: UpProcess) -> None:
    [supervisor] = up.get("/supervisors").json["items"]
    before = supervisor["workers"]
    assert up.run("scale", supervisor["name"], str(before + 1)).returncode == 0
    wait_until(lambda: up.get("/supervisors").json["items"][0]["workers"] == before + 1)
    assert up.run("scale", supervisor["name"], str(before)).returncode == 0
    wait_until(lambda: up.get("/supervisors").json["items"][0]["workers"] == before)


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (("submit", "nobody.knows.me"), 1, "nobody.knows.me"),
        (("submit", "echo", "{"), 2, "PAYLOAD is not JSON"),
        (("submit", "echo", "--priority", "11"), 1, "10"),
        (("job", "01a20c1d-68be-72fb-82e7-a2555118f737"), 1, "no job has the id"),
        (("pause", "--queue", "a b"), 1, "queue"),
        (("jobs", "--status", "done"), 1, "status must be one of scheduled, pending"),
        (("retry", "01a20c1d-68be-72fb-82e7-a2555118f737"), 1, "no job has the id"),
        (("delete", "seven", "--url", "http://127.0.0.1:1"), 3, "is not reachable"),
        (("pause", "--url", "http://127.0.0.1:1"), 3, "is not reachable"),
    ],
)
def test_what_goes_wrong_is_a_sentence_and_an_exit_code(
    up: UpProcess, arguments: tuple[str, ...], exit_code: int, words: str
) -> None:
    done = up.run(*arguments)
    assert (done.returncode, done.stdout) == (exit_code, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_the_example_runs_to_its_table(tmp_path: Path) -> None:
    with UpProcess(tmp_path / "up", "--handlers", str(EXAMPLE / "handlers.py")) as up:
        up.ready()
        command = [sys.executable, str(EXAMPLE / "run.py"), "--url", up.url, "--limit", "40", "--rows", "3"]
        environ = clean_environment()
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ended: 41 of 41" in done.stdout
    assert "failed / timed_out" in done.stdout
    assert "the 3 most complex files" in done.stdout
    assert "all as intended" in done.stdout
