import os
import shutil
import signal
from pathlib import Path

import pytest

from jobworker.cli.errors import NotReachable
from tests.support.command import is_gone
from tests.support.up import Up
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real


def test_jobs_survive_a_drain_and_a_new_start(tmp_path: Path) -> None:
    with Up(tmp_path) as up:
        up.ready()
        up.client.post("/jobs/pause", {})
        job_id = up.submit("echo", {"n": 1})
        assert up.drain() == 0
    with Up(tmp_path) as up:
        up.ready()
        assert up.client.get_job(job_id)["status"] == "pending"
        up.client.post("/jobs/resume", {})
        assert up.wait_for_status(job_id, "succeeded")["result"] == {"n": 1}
        assert up.drain() == 0


def test_a_running_job_is_let_end_when_up_stops(tmp_path: Path) -> None:
    with Up(tmp_path) as up:
        up.ready()
        job_id = up.submit("sleep", 1)
        up.wait_for_status(job_id, "running")
        assert up.drain() == 0
    with Up(tmp_path) as up:
        up.ready()
        job = up.client.get_job(job_id)
        assert (job["status"], job["attempts"]) == ("succeeded", [])


def test_a_second_signal_puts_running_jobs_back_at_once(tmp_path: Path) -> None:
    with Up(tmp_path) as up:
        up.ready()
        job_id = up.submit("sleep", 600)
        up.wait_for_status(job_id, "running")
        up.signal(signal.SIGINT)
        up.wait_for("draining; once more hurries")
        up.signal(signal.SIGINT)
        assert up.wait() == 0
    with Up(tmp_path) as up:
        up.ready()
        job = up.client.get_job(job_id)
        assert (job["failures"], job["crashes"]) == (0, 0)
        assert job["status"] in ("pending", "running")


@pytest.mark.parametrize("words", ["-server", "jobworker.cli api", "jobworker supervisor"])
def test_a_part_that_is_killed_comes_back_and_no_job_is_lost(tmp_path: Path, words: str) -> None:
    with Up(tmp_path) as up:
        up.ready()
        up.client.post("/jobs/pause", {})
        waiting = up.submit("echo", "before")
        wait_until(lambda: up.part(words))
        victim = up.part(words)
        # The append-only file is written before a client is answered: a killed process loses nothing of it.
        os.kill(victim, signal.SIGKILL)
        up.wait_for("part ended; it is started again")
        wait_until(lambda: [p for p in up.descendants() if words in " ".join(p.cmdline()) and p.pid != victim])
        wait_until(lambda: _is_ready(up), 30)
        up.client.post("/jobs/resume", {})
        assert up.wait_for_status(waiting, "succeeded", 30)["result"] == "before"
        up.wait_for_status(up.submit("echo", "after"), "succeeded", 30)
        assert up.drain() == 0


def _is_ready(up: Up) -> bool:
    try:
        return "no supervisor is running" not in up.client.get("/readyz")["warnings"]
    except NotReachable:
        return False


def test_when_up_is_killed_nothing_is_left_and_no_job_or_attempt_is_lost(tmp_path: Path) -> None:
    with Up(tmp_path) as up:
        up.ready()
        running, done = up.submit("sleep", 600), up.submit("echo", 1)
        up.wait_for_status(running, "running")
        up.wait_for_status(done, "succeeded")
        parts = up.descendants()
        up.signal(signal.SIGKILL)
        up.wait()
        wait_until(lambda: all(map(is_gone, parts)), 10)
    with Up(tmp_path) as up:
        up.ready()
        assert up.client.get_job(done)["status"] == "succeeded"
        job = up.wait_for_status(running, "running")
        assert (job["failures"], job["crashes"]) == (0, 0)


def test_after_a_kill_the_next_one_may_start_at_once(tmp_path: Path) -> None:
    with Up(tmp_path) as up:
        up.ready()
        job_id = up.submit("sleep", 600)
        up.wait_for_status(job_id, "running")
        up.signal(signal.SIGKILL)
        up.wait()
        (tmp_path / "next").mkdir()
        with Up(tmp_path / "next", "--state-dir", str(tmp_path / ".jobworker")) as following:
            following.ready()
            following.wait_for_status(job_id, "running")


def test_even_when_its_heart_is_killed_too_all_ends_and_comes_back(tmp_path: Path) -> None:
    with Up(tmp_path, "--grace", "1") as up:
        up.ready()
        job_id = up.submit("sleep", 600)
        up.wait_for_status(job_id, "running")
        parts = up.descendants()
        heart = next(process for process in parts if process.ppid() == up.process.pid)
        heart.kill()
        assert up.wait() == 1
        assert f"(pid {heart.pid}) was killed by SIGKILL; the parts drain and end by themselves\n" in up.err
        wait_until(lambda: all(map(is_gone, parts)), 20)
    with Up(tmp_path) as up:
        up.ready()
        up.wait_for_status(job_id, "running", 30)


def test_a_state_directory_that_is_removed_is_made_again_when_the_server_is(tmp_path: Path) -> None:
    with Up(tmp_path) as up:
        up.ready()
        shutil.rmtree(tmp_path / ".jobworker")
        os.kill(up.part("-server"), signal.SIGKILL)
        up.wait_for("its jobs are gone")
        wait_until(lambda: _is_ready(up), 30)
        up.wait_for_status(up.submit("echo", "after"), "succeeded", 30)
        assert up.drain() == 0
