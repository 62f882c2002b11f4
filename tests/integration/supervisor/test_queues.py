"""Many jobs, many queues."""

from collections import Counter

import psutil
import pytest

from jobworker.store.states import JobState
from tests.support.supervisor_process import Workplace
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real


def test_weights_share_a_worker_between_queues(place: Workplace) -> None:
    place.store.pause(who="test")
    ids = [place.submit("say.queue", queue=queue) for queue in ("a", "b") for _ in range(12)]
    place.start("--queue", "a=3", "--queue", "b=1", workers=1).wait_for("ready")
    place.store.resume()
    records = sorted((place.end(job_id) for job_id in ids), key=lambda record: record.token or 0)
    order = [record.queue for record in records]
    # As long as both have jobs, any four in a row are three of a and one of b.
    assert all(Counter(order[start : start + 4]) == {"a": 3, "b": 1} for start in range(9))


def test_two_hundred_jobs_leave_nothing_open(place: Workplace) -> None:
    command = place.start()
    command.wait_for("ready")
    supervisor = psutil.Process(command.process.pid)
    assert place.run("noop").status is JobState.SUCCEEDED
    wait_until(lambda: len(supervisor.children()) == 3)
    before = supervisor.num_fds()
    ids = [place.submit("big", "x" * 200_000) for _ in range(20)] + [place.submit("noop") for _ in range(180)]
    assert {place.end(job_id).status for job_id in ids} == {JobState.SUCCEEDED}
    assert len(supervisor.children()) == 3
    # A connection may have come; a leak would show two hundred times.
    assert supervisor.num_fds() <= before + 2
    assert sum(child.num_fds() for child in supervisor.children()) <= 3 * 13


def test_supervisors_of_different_queues_leave_each_other_s_alone(place: Workplace) -> None:
    for name in ("a", "b"):
        place.start("--queue", name, name=name, workers=1).wait_for("ready")
    ids = {name: [place.submit("say.queue", queue=name) for _ in range(10)] for name in ("a", "b")}
    owners = {name: {place.end(job_id).owner for job_id in ids[name]} for name in ids}
    assert owners == {"a": {"a"}, "b": {"b"}}


def test_while_nothing_is_to_do_hardly_anything_is_done(place: Workplace) -> None:
    command = place.start(workers=1)
    command.wait_for("ready")
    path = place.folder / "starts"
    busy = place.submit("first.stays", {"path": str(path)})
    place.lines(path)
    # Due, and nobody is idle: a reason to wait, not to look again and again.
    place.submit("pid", delay_ms=1)
    before = psutil.Process(command.process.pid).cpu_times()
    since = place.store.get(busy).now_ms
    wait_until(lambda: place.store.get(busy).now_ms > since + 1000)
    after = psutil.Process(command.process.pid).cpu_times()
    assert after.user + after.system - before.user - before.system < 0.3
