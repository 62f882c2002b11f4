"""Redis, and the way to it, at their worst: nothing is lost and nothing runs twice that need not."""

import os
import signal
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from jobworker.cli.chaos.proxy import Proxy
from jobworker.store.states import JobState
from jobworker.supervisor.board import boottime_ns
from tests.support.gate import Gate
from tests.support.supervisor_process import Workplace
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real


def test_replies_that_get_lost_lose_no_job_and_double_none(proxy: Proxy, place: Workplace) -> None:
    place.start("--redis", proxy.url).wait_for("ready")
    path = place.folder / "marks"
    ids: list[str] = []
    for number in range(1, 13):
        proxy.lose_next_reply()
        ids.append(place.submit("mark", {"path": str(path)}))
        wait_until(lambda count=number: proxy.replies_lost >= count)  # type: ignore[misc] # mypy reads no default
    assert {place.end(job_id).status for job_id in ids} == {JobState.SUCCEEDED}
    # A claim whose answer was lost is put back before anybody has begun on it.
    assert len(place.lines(path, len(ids))) == len(ids)
    assert all(place.store.get(job_id).attempt == 1 for job_id in ids)


@pytest.mark.parametrize("after", range(7))
def test_whichever_reply_gets_lost_at_start_it_costs_no_lease(proxy: Proxy, place: Workplace, after: int) -> None:
    proxy.lose_next_reply(after=after)
    command = place.start("--redis", proxy.url)
    # The lease is 15 s: who had to wait for it would not be ready by then.
    command.wait_for("redis and we agree", timeout_seconds=8)
    assert place.run("pid").status is JobState.SUCCEEDED
    assert proxy.replies_lost == 1


@pytest.mark.parametrize("fault", ["reset", "refuse"])
def test_broken_connections_are_made_anew(proxy: Proxy, place: Workplace, gate: Gate, fault: str) -> None:
    command = place.start("--redis", proxy.url)
    command.wait_for("ready")
    job_id = place.submit("gate", gate.payload)
    gate.wait_for_attempt()
    getattr(proxy, fault)()
    gate.open()
    if fault == "refuse":
        command.wait_for("redis is away")
        proxy.pass_on()
    record = place.end(job_id)
    assert (record.status, record.result) == (JobState.SUCCEEDED, b"1")
    assert "Traceback" not in command.err


def test_all_connections_killed_and_all_scripts_forgotten(place: Workplace, gate: Gate) -> None:
    command = place.start()
    command.wait_for("ready")
    job_id = place.submit("gate", gate.payload)
    gate.wait_for_attempt()
    place.client.script_flush()
    place.client.client_kill_filter(_type="normal", skipme=True)
    gate.open()
    assert place.end(job_id).result == b"1"
    assert place.run("pid").status is JobState.SUCCEEDED
    assert "Traceback" not in command.err


def test_an_outage_longer_than_the_lease_costs_nobody_a_job(own_place: Workplace, gate: Gate) -> None:
    lease = ("--supervisor-lease", "3", "--supervisor-beat", "0.5")
    own_place.start(*lease, "--redis-timeout", "0.5").wait_for("ready")
    job_id = own_place.submit("gate", gate.payload)
    gate.wait_for_attempt()
    waiting = own_place.submit("pid")
    own_place.server.freeze()
    frozen_ns = boottime_ns()
    gate.open()
    # Nothing tells that a lease is over but the clock.
    wait_until(lambda: boottime_ns() > frozen_ns + 4_000_000_000)
    own_place.server.resume()
    record = own_place.end(job_id)
    assert (record.status, record.result, record.crashes) == (JobState.SUCCEEDED, b"1", 0)
    assert own_place.end(waiting).status is JobState.SUCCEEDED


def test_data_that_is_gone_is_begun_anew_without(place: Workplace, gate: Gate) -> None:
    command = place.start()
    command.wait_for("ready")
    place.submit("gate", gate.payload)
    worker = gate.wait_for_attempt()
    place.client.flushall()
    command.wait_for("beginning anew")
    command.wait_for("ready", times=2)
    wait_until(lambda: not psutil.pid_exists(worker))
    assert place.run("pid").status is JobState.SUCCEEDED


def test_a_name_taken_by_force_ends_the_one_who_had_it(place: Workplace, gate: Gate) -> None:
    lease = ("--supervisor-lease", "3", "--supervisor-beat", "0.5")
    first = place.start(*lease)
    first.wait_for("ready")
    job_id = place.submit("gate", gate.payload)
    worker = gate.wait_for_attempt()
    first.signal(signal.SIGSTOP)
    # Elsewhere nobody knows of the lock; the lease ends, for nobody renews it.
    second = place.start(*lease, "--state-dir", str(place.folder / "elsewhere"))
    second.wait_for("ready")
    first.signal(signal.SIGCONT)
    assert first.wait() == 1
    assert "another process has taken over the name one; it goes on" in first.err
    wait_until(lambda: not psutil.pid_exists(worker))
    gate.wait_for_attempt(2)
    gate.open()
    assert place.end(job_id).status is JobState.SUCCEEDED


def test_a_drain_does_not_wait_for_a_redis_that_it_has_nothing_to_tell(own_place: Workplace) -> None:
    command = own_place.start("--grace", "600")
    command.wait_for("ready")
    assert own_place.run("pid").status is JobState.SUCCEEDED
    own_place.server.kill()
    command.wait_for("redis is away")
    command.signal(signal.SIGTERM)
    assert command.wait() == 0


def test_results_that_cannot_be_delivered_are_told_by_the_exit_code(own_place: Workplace, gate: Gate) -> None:
    command = own_place.start("--grace", "0.1")
    command.wait_for("ready")
    job_id = own_place.submit("gate", gate.payload)
    worker = gate.wait_for_attempt()
    own_place.server.kill()
    command.signal(signal.SIGTERM)
    assert command.wait() == 1
    assert "results are not delivered, their jobs will run again" in command.err
    with suppress(ProcessLookupError):
        os.kill(worker, 0)
        pytest.fail("the worker lives")
    own_place.server.start()
    own_place.start().wait_for("ready")
    gate.wait_for_attempt(2)
    gate.open()
    assert own_place.end(job_id).status is JobState.SUCCEEDED


def test_a_host_name_leaves_no_thread_and_keeps_no_worker_from_being_replaced(place: Workplace) -> None:
    command = place.start("--redis", place.server.url.replace("127.0.0.1", "localhost"))
    command.wait_for("ready")
    supervisor = psutil.Process(command.process.pid)
    wait_until(lambda: supervisor.num_threads() == 1)
    place.client.client_kill_filter(_type="normal", skipme=True)
    assert place.run("crash", {"signal": 9}, max_crashes=1).status is JobState.FAILED
    assert place.run("pid").status is JobState.SUCCEEDED
    wait_until(lambda: len(supervisor.children()) == 3 and supervisor.num_threads() == 1)
    assert Path(f"/proc/{supervisor.pid}/task/{supervisor.pid}").exists()


@pytest.mark.parametrize("key", ["ended:succeeded", "queues", "meta"])
def test_a_key_of_another_type_is_named_and_survived(place: Workplace, key: str) -> None:
    command = place.start()
    command.wait_for("ready")
    name = f"jobworker:{{0}}:{key}"
    job_id = place.submit("pid")
    place.end(job_id)
    place.client.rename(name, "aside")
    place.client.set(name, "of another type")
    if key == "ended:succeeded":
        # Only who ends a job touches it.
        place.submit("pid")
    command.wait_for("a key in Redis is not of the type that jobworker gives it")
    place.client.rename("aside", name)
    assert place.run("pid").status is JobState.SUCCEEDED
    assert command.process.poll() is None
