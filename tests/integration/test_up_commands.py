import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import clean_environment
from tests.support.up import Up

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One `jobworker up` for the commands of this module."""
    # One of the jobs is still running at the end.
    options = ("--handlers", "jobworker.handlers.builtin.trial", "--grace", "1")
    with Up(tmp_path_factory.mktemp("up"), *options) as running:
        yield running.ready()
        assert running.drain() == 0


def test_submit_prints_the_id_and_job_shows_it(up: Up) -> None:
    submitted = up.run("submit", "echo", '{"n": 1}', "--priority", "9")
    job_id = submitted.stdout.strip()
    up.wait_for_status(job_id, "succeeded")
    shown = up.run("job", job_id)
    assert shown.returncode == 0
    lines = {line.split(maxsplit=1)[0]: line.split(maxsplit=1)[1] for line in shown.stdout.splitlines()}
    assert (lines["job"], lines["status"], lines["priority"], lines["result"]) == (job_id, "succeeded", "9", '{"n":1}')


def test_submit_waits_for_the_result(up: Up) -> None:
    waited = up.run("submit", "echo", "-", "--wait", stdin='["a", 1.50]')
    assert (waited.returncode, waited.stdout, waited.stderr) == (0, '["a",1.5]\n', "")


def test_submit_waits_for_a_failure_and_job_tells_it(up: Up) -> None:
    waited = up.run("submit", "crash", "{}", "--max-crashes", "1", "--wait", "--json")
    assert waited.returncode == 1
    job = json.loads(waited.stdout)
    assert (job["status"], job["reason"]) == ("failed", "crash_loop")
    assert waited.stderr.startswith(f"jobworker: job {job['id']} failed: ")
    assert "1 of 1 crashed" in up.run("job", job["id"]).stdout


def test_a_job_that_is_killed_at_its_deadline_reads_well(up: Up) -> None:
    waited = up.run("submit", "sleep", "60", "--timeout", "0.2", "--max-attempts", "1", "--wait")
    assert (waited.returncode, waited.stdout) == (1, "")
    assert waited.stderr.startswith("jobworker: job ")
    job_id = waited.stderr.split()[2]
    shown = up.run("job", job_id).stdout
    assert "timed_out after 0." in shown
    assert "1 of 1 failed" in shown


def test_a_refused_job_is_one_line(up: Up) -> None:
    for arguments in (["submit", "no.such.type"], ["submit", "echo", "--priority", "11"], ["job", "no-id"]):
        refused = up.run(*arguments)
        assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (1, "", 1), refused
        assert refused.stderr.startswith("jobworker: ")


def test_lines_become_jobs(up: Up) -> None:
    lines = "".join(f'{{"payload": {number}}}\n' for number in range(20)) + '{"priority": 0}\n'
    submitted = up.run("submit", "echo", "--lines", "-", stdin=lines)
    assert submitted.returncode == 1
    ids = submitted.stdout.split()
    assert [up.wait_for_status(job_id, "succeeded")["result"] for job_id in ids] == list(range(20))
    assert submitted.stderr.splitlines()[-1] == "jobworker: 20 submitted, 1 refused"


def test_pause_and_resume_reach_one_queue(up: Up) -> None:
    paused = up.run("pause", "--queue", "slow", "--reason", "a test")
    assert (paused.returncode, paused.stdout) == (0, "Job processing paused in queue slow\n")
    held = up.submit("echo", 1, queue="slow")
    up.wait_for_status(up.submit("echo", 2), "succeeded")
    assert up.client.get_job(held)["status"] == "pending"
    assert re.search(r"^paused +since .*, by api 127\.0\.0\.1: a test$", up.run("job", held).stdout, re.MULTILINE)
    resumed = up.run("resume", "--queue", "slow", "--json")
    assert json.loads(resumed.stdout)["message"] == "Job processing resumed"
    up.wait_for_status(held, "succeeded")


def test_workers_show_who_runs_what(up: Up) -> None:
    job_id = up.submit("sleep", 60)
    up.wait_for_status(job_id, "running")
    shown = up.run("workers")
    assert (shown.returncode, shown.stderr) == (0, "")
    [row] = [line.split() for line in shown.stdout.splitlines() if job_id in line]
    assert row[1:6] == [str(up.client.get_job(job_id)["worker"]), "busy", job_id, "sleep", "1"]
    [worker] = [one for one in json.loads(up.run("workers", "--json").stdout)["items"] if one["job"]]
    assert worker["job"]["id"] == job_id


def test_queues_supervisors_and_handlers_are_listed(up: Up) -> None:
    up.wait_for_status(up.submit("echo", queue="mail"), "succeeded")
    name = json.loads(up.run("supervisors", "--json").stdout)["items"][0]["name"]
    assert [line.split()[0] for line in up.run("supervisors").stdout.splitlines()] == ["SUPERVISOR", name]
    [mail] = [line.split() for line in up.run("queues").stdout.splitlines() if line.startswith("mail ")]
    assert mail == ["mail", "0", "-", "-", name, "-"]
    types = [line.split()[0] for line in up.run("handlers").stdout.splitlines()[1:]]
    assert {"echo", "sleep", "noop"} <= set(types)
    assert types == sorted(types)


def on_a_terminal(up: Up, *arguments: str) -> str:
    """Run a command whose stdout and stderr are a terminal; return what it showed."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "jobworker.cli", *arguments],
        cwd=up.directory,
        env=clean_environment(JOBWORKER_CLIENT_URL=up.url, TERM="xterm-256color", COLUMNS="100"),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    while chunk := _read(ours):
        shown += chunk
    os.close(ours)
    assert process.wait() == 0, shown
    return shown.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:
        # The other end is closed: for a terminal that is an error, not an end of file.
        return b""


def test_on_a_terminal_a_job_is_shown_in_colour(up: Up) -> None:
    job_id = up.submit("echo", "x")
    up.wait_for_status(job_id, "succeeded")
    shown = on_a_terminal(up, "job", job_id)
    assert "\x1b[32msucceeded" in shown


def test_on_a_terminal_handlers_are_a_table(up: Up) -> None:
    shown = on_a_terminal(up, "handlers")
    assert "\x1b[2mTYPE" in shown
    assert "echo" in shown


def test_on_a_terminal_lines_have_a_progress_bar_and_their_ids(up: Up, tmp_path: Path) -> None:
    lines = tmp_path / "jobs.jsonl"
    lines.write_text('{"payload": 1}\n' * 30)
    shown = on_a_terminal(up, "submit", "echo", "--lines", str(lines))
    assert "30 lines" in shown
    assert "100%" in shown
    assert shown.count("-7") >= 30  # the version in each id
