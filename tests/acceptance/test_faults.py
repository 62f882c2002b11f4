"""Whatever dies under a running `up`: it comes back by itself, and no job is lost."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psutil
import pytest

from tests.support.command import is_gone
from tests.support.gate import Gate
from tests.support.reply import Reply
from tests.support.up_process import UpProcess
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real

#: A caller gets his 503 within this time, whatever the server does.
REFUSAL_SECONDS = 3.0
CALLERS = 24


@contextmanager
def frozen(process: psutil.Process) -> Iterator[None]:
    """It does nothing within the block."""
    process.suspend()
    try:
        yield
    finally:
        process.resume()


def kill(process: psutil.Process) -> None:
    process.kill()
    wait_until(lambda: is_gone(process))


def test_a_killed_supervisor_is_started_again_and_its_job_too(own_up: UpProcess, gate: Gate) -> None:
    job_id = own_up.submit("gate", gate.payload)
    worker, first = psutil.Process(gate.wait_for_attempt()), own_up.supervisor
    kill(first)
    # Workers die with their supervisor: else two attempts would run at once.
    wait_until(lambda: is_gone(worker))
    waiting = own_up.submit("echo", "kept")
    gate.wait_for_attempt(2)
    gate.open()
    job = own_up.wait_for_end(job_id)
    assert (job["status"], job["attempt"], job["crashes"]) == ("succeeded", 2, 1)
    assert [attempt["outcome"] for attempt in job["attempts"]] == ["lost"]
    assert own_up.wait_for_end(waiting)["result"] == "kept"
    assert own_up.supervisor != first


def test_a_killed_api_is_started_again(own_up: UpProcess, gate: Gate) -> None:
    job_id = own_up.submit("gate", gate.payload)
    gate.wait_for_attempt()
    first = own_up.api
    all_of_it = [first, *first.children()]
    kill(first)
    psutil.wait_procs(all_of_it, timeout=5)
    # Nobody needs the API to end a job.
    gate.open()
    wait_until(own_up.takes_and_runs_jobs)
    job = own_up.wait_for_end(job_id)
    assert (job["status"], job["attempt"]) == ("succeeded", 1)
    assert own_up.api != first


def test_a_killed_server_is_started_again_with_every_job(own_up: UpProcess, gate: Gate) -> None:
    ended = own_up.run_job("echo", "before")
    running = own_up.submit("gate", gate.payload)
    gate.wait_for_attempt()
    delayed = own_up.submit("echo", "delayed", delay=3)
    first = own_up.server
    # The heart would start another one before anybody notices.
    with frozen(own_up.heart):
        kill(first)
        _assert_come_back_later(own_up.post("/jobs", {"payload": "refused"}))
        _assert_come_back_later(own_up.get(f"/jobs/{running}"))
        _assert_come_back_later(own_up.get("/readyz"))
        assert own_up.get("/livez").status == 200
        # It ends while nobody takes its result, which waits.
        gate.open()
    wait_until(own_up.takes_and_runs_jobs)
    job = own_up.wait_for_end(running)
    assert (job["status"], job["attempt"], job["crashes"]) == ("succeeded", 1, 0)
    assert own_up.job(ended["id"]) == ended
    assert own_up.wait_for_end(delayed)["result"] == "delayed"
    assert own_up.run_job("echo", "after")["result"] == "after"
    assert own_up.server != first


def test_a_server_that_hangs_costs_no_caller_more_than_three_seconds(own_up: UpProcess, gate: Gate) -> None:
    running = own_up.submit("gate", gate.payload)
    gate.wait_for_attempt()
    with frozen(own_up.server), ThreadPoolExecutor(CALLERS) as callers:
        answers = list(callers.map(_timed_post, [own_up] * CALLERS))
        gate.open()
    for reply, seconds in answers:
        _assert_come_back_later(reply)
        assert seconds <= REFUSAL_SECONDS
    wait_until(own_up.takes_and_runs_jobs)
    job = own_up.wait_for_end(running)
    assert (job["status"], job["attempt"]) == ("succeeded", 1)


def _timed_post(up: UpProcess) -> tuple[Reply, float]:
    began = time.monotonic()
    reply = up.post("/jobs", {})
    return reply, time.monotonic() - began


def _assert_come_back_later(reply: Reply) -> None:
    assert reply.status == 503
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert int(reply.headers["Retry-After"]) >= 1
    assert "Traceback" not in reply.body.decode()
