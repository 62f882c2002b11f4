"""How `up` ends, and what the next one in the same directory finds."""

import signal
from pathlib import Path

import pytest

from tests.support.gate import Gate
from tests.support.up_process import UpProcess, processes_in
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real


def test_ctrl_c_drains_and_the_next_up_goes_on_where_it_was(tmp_path: Path) -> None:
    gates = [Gate(tmp_path, f"gate{number}") for number in range(2)]
    with UpProcess(tmp_path / "up") as up:
        up.ready()
        ended = up.run_job("echo", {"kept": True})
        running = [up.submit("gate", gate.payload) for gate in gates]
        for gate in gates:
            gate.wait_for_attempt()
        pending, scheduled = up.submit("echo", "pending"), up.submit("echo", "scheduled", delay=1)
        assert up.job(pending)["status"] == "pending"
        up.interrupt()
        up.wait_for("draining")
        for gate in gates:
            gate.open()
            gate.close()
        assert up.wait() == 0
        assert processes_in(up.directory) == []
        assert "Traceback" not in up.err
    with UpProcess(tmp_path / "up") as up:
        up.ready()
        assert up.job(ended["id"]) == ended
        for job_id in running:
            job = up.job(job_id)
            assert (job["status"], job["attempt"], job["attempts"]) == ("succeeded", 1, [])
        assert up.wait_for_end(pending)["result"] == "pending"
        assert up.wait_for_end(scheduled)["result"] == "scheduled"


def test_a_second_ctrl_c_hurries_and_puts_the_running_job_back(tmp_path: Path, gate: Gate) -> None:
    with UpProcess(tmp_path / "up") as up:
        up.ready()
        job_id = up.submit("gate", gate.payload)
        gate.wait_for_attempt()
        up.interrupt()
        up.wait_for("draining")
        up.interrupt()
        assert up.wait() == 0
        assert processes_in(up.directory) == []
    gate.open()
    with UpProcess(tmp_path / "up") as up:
        up.ready()
        job = up.wait_for_end(job_id)
        assert (job["status"], job["failures"], job["crashes"]) == ("succeeded", 0, 0)


def test_after_kill_9_nothing_lives_on_and_no_job_is_lost(tmp_path: Path, gate: Gate) -> None:
    with UpProcess(tmp_path / "up") as up:
        up.ready()
        job_id = up.submit("gate", gate.payload)
        gate.wait_for_attempt()
        up.signal(signal.SIGKILL)
        up.wait()
        wait_until(lambda: not processes_in(up.directory), 20)
    gate.open()
    with UpProcess(tmp_path / "up") as up:
        up.ready()
        assert up.wait_for_end(job_id)["status"] == "succeeded"


def test_a_pause_outlives_a_restart(tmp_path: Path) -> None:
    with UpProcess(tmp_path / "up") as up:
        up.ready().post("/jobs/pause", {"reason": "moving house"})
        job_id = up.submit("echo")
        assert up.drain() == 0
    with UpProcess(tmp_path / "up") as up:
        [warning] = up.ready().get("/readyz").json["warnings"]
        assert "moving house" in warning
        assert up.job(job_id)["status"] == "pending"
        up.post("/jobs/resume")
        assert up.wait_for_end(job_id)["status"] == "succeeded"
