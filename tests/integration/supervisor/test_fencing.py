"""A supervisor that is cut off kills what must not overlap with an attempt elsewhere, before anybody can begin one."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from jobworker.cli.chaos.proxy import Proxy
from jobworker.store.keys import Keys
from jobworker.store.states import JobState
from jobworker.supervisor.board import boottime_ns
from tests.support.gate import Gate
from tests.support.supervisor_process import Workplace
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real

SHORT = ("--supervisor-lease", "3", "--supervisor-beat", "0.5", "--redis-timeout", "0.5")
#: What lies between the kill and the end of the lease, a third of it, is all that a loaded machine may be late.
LONGER = ("--supervisor-lease", "5")


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Gate]:
    """Yield the gate of a job that may overlap with itself."""
    gate = Gate(tmp_path, "plain")
    yield gate
    gate.close()


def test_of_an_exclusive_job_no_two_attempts_overlap_though_its_supervisor_is_cut_off(
    proxy: Proxy, place: Workplace, gate: Gate, plain: Gate
) -> None:
    cut_off = place.start(*SHORT, *LONGER, "--redis", proxy.url, name="cut")
    cut_off.wait_for("ready")
    exclusive = place.submit("gate.exclusive", gate.payload)
    ordinary = place.submit("gate", plain.payload)
    first, other = gate.wait_for_attempt(), plain.wait_for_attempt()
    place.start(*SHORT, name="whole").wait_for("redis and we agree")
    wait_until_heard(place, "cut")
    proxy.black_hole()
    cut_off.wait_for("redis does not answer; attempts that must not overlap are killed")
    gate.wait_for_attempt(2)
    assert not psutil.pid_exists(first)
    # What is not exclusive runs on: at least once.
    plain.wait_for_attempt(2)
    assert psutil.pid_exists(other)
    proxy.pass_on()
    cut_off.wait_for("beginning anew")
    wait_until(lambda: not psutil.pid_exists(other))
    for each in (gate, plain):
        each.open()
    assert [place.end(job_id).result for job_id in (exclusive, ordinary)] == [b"2", b"2"]
    assert place.store.get(exclusive).owner == "whole"


@pytest.mark.parametrize(("which", "killed"), [("exclusive", 1), ("all", 2)])
def test_who_was_not_reaped_meanwhile_puts_back_free_what_it_has_killed(
    proxy: Proxy, place: Workplace, gate: Gate, plain: Gate, which: str, killed: int
) -> None:
    cut_off = place.start(*SHORT, "--redis", proxy.url, "--supervisor-self-fence", which, name="cut")
    cut_off.wait_for("ready")
    jobs = [place.submit("gate.exclusive", gate.payload), place.submit("gate", plain.payload)]
    for each in (gate, plain):
        each.wait_for_attempt()
    # One that lives, and cannot reap for a term of its own; it must not run the jobs either.
    place.start("--supervisor-lease", "300", "--queue", "another", name="newcomer").wait_for("redis and we agree")
    wait_until_heard(place, "cut")
    proxy.black_hole()
    cut_off.wait_for('"outcome": "fenced"', times=killed)
    proxy.pass_on()
    gate.wait_for_attempt(2)
    if which == "all":
        plain.wait_for_attempt(2)
    for each in (gate, plain):
        each.open()
    records = [place.end(job_id) for job_id in jobs]
    assert [record.status for record in records] == [JobState.SUCCEEDED] * 2
    assert [(record.crashes, record.attempt, record.attempts) for record in records] == [(0, 1, ())] * 2
    assert (len(gate.pids()), len(plain.pids())) == (2, killed)


def wait_until_heard(place: Workplace, name: str) -> None:
    """Return when the supervisor knows of those that are there: of its next two beats the first was answered."""
    beats: set[object] = set()

    def has_beaten_twice() -> bool:
        beats.add(place.client.hget(Keys().supervisor(name), "lease_end"))
        # One of them may have been under way before we looked.
        return len(beats) > 3

    wait_until(has_beaten_twice)


def test_who_is_alone_kills_nothing_for_nobody_can_take_its_jobs(own_place: Workplace, gate: Gate) -> None:
    own_place.start(*SHORT, "--supervisor-self-fence", "all").wait_for("ready")
    job_id = own_place.submit("gate.exclusive", gate.payload)
    worker = gate.wait_for_attempt()
    own_place.server.freeze()
    frozen_ns = boottime_ns()
    # Nothing tells that a lease is over but the clock.
    wait_until(lambda: boottime_ns() > frozen_ns + 3_500_000_000)
    assert psutil.pid_exists(worker)
    own_place.server.resume()
    gate.open()
    record = own_place.end(job_id)
    assert (record.result, record.crashes, len(gate.pids())) == (b"1", 0, 1)
