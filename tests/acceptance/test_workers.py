"""Jobs run in forked workers: what happens when one of these dies, or has to be killed."""

import signal
from pathlib import Path

import psutil
import pytest

from tests.support.command import is_gone
from tests.support.gate import Gate
from tests.support.up_process import UpProcess
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real

#: Nothing of a killed job may live longer than this after its end.
GONE_SECONDS = 0.3


def test_a_job_runs_in_a_forked_child_of_the_supervisor(up: UpProcess, gate: Gate) -> None:
    job_id = up.submit("gate", gate.payload)
    pid = gate.wait_for_attempt()
    wait_until(lambda: up.job(job_id)["worker"] == pid)
    worker, supervisor = psutil.Process(pid), up.supervisor
    assert worker.ppid() == supervisor.pid
    # Forked, not executed anew: it runs the very same program.
    assert worker.exe() == supervisor.exe()
    gate.open()
    assert up.wait_for_end(job_id)["result"]["pid"] == pid
    assert psutil.pid_exists(pid), "a worker outlives its jobs"


def test_a_killed_worker_s_job_runs_again_and_says_what_happened(up: UpProcess, gate: Gate) -> None:
    job_id = up.submit("gate", gate.payload)
    victim = gate.wait_for_attempt()
    psutil.Process(victim).kill()
    assert gate.wait_for_attempt(2) != victim
    gate.open()
    job = up.wait_for_end(job_id)
    assert (job["status"], job["attempt"], job["crashes"], job["failures"]) == ("succeeded", 2, 1, 0)
    [crash] = job["attempts"]
    assert (crash["outcome"], crash["signal"], crash["worker"], crash["attempt"]) == ("crashed", "SIGKILL", victim, 1)
    assert crash["error"]["message"].startswith("SIGKILL before it reported, sent by the job itself or from outside")


def test_a_dead_worker_is_replaced_at_once(up: UpProcess, tmp_path: Path) -> None:
    gates = [Gate(tmp_path, f"gate{number}") for number in range(2)]
    jobs = [up.submit("gate", gate.payload) for gate in gates]
    victims = [gate.wait_for_attempt() for gate in gates]
    for victim in victims:
        psutil.Process(victim).kill()
    # Both run at the same time again: there are two workers as before.
    assert not {gate.wait_for_attempt(2) for gate in gates} & set(victims)
    for gate in gates:
        gate.open()
        gate.close()
    assert {up.wait_for_end(job_id)["status"] for job_id in jobs} == {"succeeded"}
    # Reaped, too: the supervisor leaves no zombies.
    wait_until(lambda: not any(psutil.pid_exists(victim) for victim in victims))


@pytest.mark.parametrize(
    ("payload", "signal_name", "exit_code", "words"),
    [
        ({"exit_code": 3}, None, 3, "exit code 3 before it reported"),
        ({"signal": signal.SIGSEGV}, "SIGSEGV", None, "SIGSEGV before it reported"),
    ],
)
def test_a_job_that_kills_its_workers_fails_when_its_budget_is_spent(
    up: UpProcess, payload: dict[str, int], signal_name: str | None, exit_code: int | None, words: str
) -> None:
    job = up.run_job("crash", payload, max_crashes=2)
    assert (job["status"], job["reason"], job["crashes"], job["failures"]) == ("failed", "crash_loop", 2, 0)
    found = [(each["outcome"], each["signal"], each["exit_code"], each["error"]["message"]) for each in job["attempts"]]
    assert found == [("crashed", signal_name, exit_code, words)] * 2
    assert up.run_job("echo", "next")["result"] == "next"


@pytest.mark.parametrize("how", ["loop", "regex", "stubborn", "tree"])
def test_a_hang_is_killed_at_its_deadline_with_all_that_it_started(up: UpProcess, tmp_path: Path, how: str) -> None:
    started = tmp_path / "started"
    job_id = up.submit("hang", {"how": how, "started": str(started)}, timeout=1, max_attempts=1)
    job = up.wait_for_end(job_id)
    wait_until(lambda: not _alive(started), GONE_SECONDS)
    assert (job["status"], job["reason"], job["failures"]) == ("failed", "max_attempts", 1)
    [attempt] = job["attempts"]
    assert (attempt["outcome"], attempt["error"]["message"]) == ("timed_out", "killed at its deadline of 1 s")
    assert job["run_seconds"] >= 1.0, "never early"
    assert job["worker"] in _pids(started)
    assert len(_pids(started)) > 1 or how != "tree", "there was a tree to kill"
    assert up.run_job("echo", "next")["result"] == "next"


def test_a_hang_that_may_try_again_does(up: UpProcess, tmp_path: Path) -> None:
    started = tmp_path / "started"
    payload = {"how": "stubborn", "started": str(started)}
    job = up.run_job("hang", payload, timeout=0.5, max_attempts=2, backoff={"base": 0.05})
    assert [attempt["outcome"] for attempt in job["attempts"]] == ["timed_out", "timed_out"]
    assert len(set(_pids(started))) == 2, "each in a worker of its own"


def test_a_running_job_that_is_cancelled_is_killed_with_all_that_it_started(up: UpProcess, tmp_path: Path) -> None:
    started = tmp_path / "started"
    job_id = up.submit("hang", {"how": "tree", "started": str(started)})
    wait_until(lambda: started.exists() and started.read_text().count("\n") > 1, 20)
    reply = up.post(f"/jobs/{job_id}/cancel")
    # The kill may be over before the answer is written.
    assert (reply.status, reply.json["status"]) in {(202, "running"), (200, "cancelled")}
    job = up.wait_for_end(job_id)
    wait_until(lambda: not _alive(started), GONE_SECONDS)
    assert (job["status"], job["failures"], job["crashes"]) == ("cancelled", 0, 0)
    assert job["cancel_requested_at"] <= job["ended_at"]
    assert [attempt["outcome"] for attempt in job["attempts"]] == ["cancelled"]
    again = up.post(f"/jobs/{job_id}/cancel")
    assert (again.status, again.json["status"]) == (200, "cancelled")
    assert up.run_job("echo", "next")["result"] == "next"


def test_sync_and_async_handlers_run_with_their_payload_decoded(up: UpProcess) -> None:
    assert up.run_job("sum", {"a": 2})["result"] == 3
    assert up.run_job("sum.async", {"a": 2, "b": 5})["result"] == 7


@pytest.mark.parametrize(
    ("type_", "payload", "outcome", "reason", "words"),
    [
        ("not_json", None, "bad_result", None, "object"),
        ("give_up", None, "raised", "there is no such invoice", "there is no such invoice"),
    ],
)
def test_what_no_second_attempt_can_cure_fails_at_once(
    up: UpProcess, type_: str, payload: object, outcome: str, reason: str | None, words: str
) -> None:
    job = up.run_job(type_, payload, max_attempts=5)
    assert (job["status"], job["attempt"]) == ("failed", 1)
    assert [attempt["outcome"] for attempt in job["attempts"]] == [outcome]
    assert reason is None or job["reason"] == reason
    assert words in job["error"]["message"]


@pytest.mark.parametrize(("payload", "pointer"), [({"a": "two"}, "/payload/a"), (None, "/payload")])
def test_a_payload_that_no_handler_would_take_is_refused_at_the_door(
    up: UpProcess, payload: object, pointer: str
) -> None:
    refused = up.post("/jobs", {"type": "sum", "payload": payload})
    assert refused.status == 422
    assert [error["pointer"] for error in refused.json["errors"]] == [pointer]


def _pids(started: Path) -> list[int]:
    return [int(line.split()[0]) for line in started.read_text().splitlines()]


def _alive(started: Path) -> list[psutil.Process]:
    """Return what lives of the job's tree: those that have told their pid, and those that were about to."""
    told = [psutil.Process(pid) for pid in _pids(started) if psutil.pid_exists(pid)]
    return [process for process in told if not is_gone(process)] + [
        process for process in psutil.process_iter(["cmdline"]) if str(started) in (process.info["cmdline"] or [])
    ]
