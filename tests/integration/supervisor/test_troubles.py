"""Starts that fail, names that are taken, and Redis away."""

import signal
from pathlib import Path

import psutil
import pytest

from jobworker.store.keys import Keys
from jobworker.store.states import JobState
from tests.support.command import is_gone
from tests.support.redis_server import RedisServer
from tests.support.supervisor_process import Workplace
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real


def test_a_module_that_does_not_import_is_one_message_and_exit_code_1(place: Workplace) -> None:
    (place.folder / "broken.py").write_text("import no_such_module_anywhere\n")
    command = place.start("--handlers", str(place.folder / "broken.py"))
    assert command.wait() == 1
    assert "does not import: ModuleNotFoundError: No module named 'no_such_module_anywhere'" in command.err
    assert command.err.count("does not import") == 1
    assert "supervisor.py" not in command.err


def test_a_module_that_ends_its_process_is_told_in_words(place: Workplace) -> None:
    (place.folder / "deadly.py").write_text("import os\nos._exit(3)\n")
    command = place.start("--handlers", str(place.folder / "deadly.py"))
    assert command.wait() == 1
    assert "exit code 3" in command.err


def test_the_name_of_a_living_supervisor_is_refused_in_one_sentence(place: Workplace) -> None:
    first = place.start()
    first.wait_for("ready")
    second = place.start()
    assert second.wait() == 1
    sentence = f"jobworker: name one is in use by pid {first.process.pid} on this host; end it or use --name"
    assert second.err.splitlines()[-1] == sentence
    assert place.run("pid").status is JobState.SUCCEEDED


def test_a_job_whose_record_somebody_has_damaged_fails_alone(place: Workplace) -> None:
    damaged, *healthy = [place.submit("pid") for _ in range(3)]
    record = Keys().job(damaged)
    place.client.hdel(record, "type")
    command = place.start()
    for job_id in healthy:
        assert (place.end(job_id).status, place.end(job_id).crashes) == (JobState.SUCCEEDED, 0)
    wait_until(lambda: place.client.hget(record, "status") == b"failed")
    assert place.client.hget(record, "reason") == b"damaged_record"
    command.wait_for("record in redis is damaged")
    assert command.process.poll() is None


def test_as_a_part_of_up_it_says_that_the_other_one_must_end_first(place: Workplace) -> None:
    first = place.start()
    first.wait_for("ready")
    second = place.start(JOBWORKER_PART="1")
    assert second.wait() == 1
    assert second.err.splitlines()[-1] == (
        f"jobworker: name one is in use by pid {first.process.pid} on this host; "
        "an earlier one still works or drains, and must end first"
    )


def test_a_namesake_elsewhere_is_refused_when_its_lease_is_renewed(place: Workplace) -> None:
    lease = ("--supervisor-lease", "3", "--supervisor-beat", "0.5")
    first = place.start(*lease)
    first.wait_for("ready")
    elsewhere = place.start(*lease, "--state-dir", str(place.folder / "elsewhere"))
    assert elsewhere.wait() == 1
    assert f"name one is in use by pid {first.process.pid} on host" in elsewhere.err


def test_two_supervisors_share_a_queue(place: Workplace) -> None:
    for name in ("one", "two"):
        place.start(name=name).wait_for("ready")
    path = place.folder / "starts"
    ids = [place.submit("mark", {"path": str(path)}) for _ in range(60)]
    assert {place.end(job_id).status for job_id in ids} == {JobState.SUCCEEDED}
    assert len(place.lines(path, 60)) == 60


def test_redis_may_come_later(own_place: Workplace) -> None:
    own_place.server.kill()
    command = own_place.start()
    command.wait_for("cannot register")
    assert "Traceback" not in command.err
    own_place.server.start()
    command.wait_for("ready")
    assert own_place.run("pid").status is JobState.SUCCEEDED


def test_sigterm_ends_a_supervisor_that_waits_for_redis(own_place: Workplace) -> None:
    own_place.server.kill()
    command = own_place.start()
    command.wait_for("cannot register")
    command.signal(signal.SIGTERM)
    assert command.wait() == 0


@pytest.mark.parametrize("fault", ["killed", "frozen"])
def test_what_ends_while_redis_is_away_is_delivered_afterwards(own_place: Workplace, fault: str) -> None:
    command = own_place.start("--redis-timeout", "0.5")
    command.wait_for("ready")
    path = own_place.folder / "starts"
    job_id = own_place.submit("until.file", {"path": str(path)})
    own_place.lines(path)
    _take_away(own_place.server, fault)
    Path(f"{path}.go").touch()
    command.wait_for("redis is away")
    _bring_back(own_place.server, fault)
    record = own_place.end(job_id)
    assert (record.status, record.result, record.attempt) == (JobState.SUCCEEDED, b'"went"', 1)
    assert len(own_place.lines(path)) == 1
    assert own_place.run("pid").status is JobState.SUCCEEDED


def test_a_supervisor_that_was_stopped_past_its_lease_finds_itself_reaped(place: Workplace) -> None:
    lease = ("--supervisor-lease", "3", "--supervisor-beat", "0.5")
    path = place.folder / "starts"
    stopped = place.start(*lease, name="stopped", workers=1)
    stopped.wait_for("ready")
    job_id = place.submit("first.stays", {"path": str(path)})
    older = psutil.Process(int(place.lines(path)[0][0]))
    place.start(*lease, name="other", workers=1).wait_for("ready")
    stopped.signal(signal.SIGSTOP)
    assert place.end(job_id).status is JobState.SUCCEEDED
    # Two attempts have overlapped: its workers were not stopped with it.
    assert not is_gone(older)
    stopped.signal(signal.SIGCONT)
    stopped.wait_for("beginning anew")
    wait_until(lambda: is_gone(older))
    stopped.wait_for("ready", times=2)
    assert place.store.get(job_id).result == b"null"
    (first, _), (_, second) = place.lines(path, 2)
    assert (psutil.pid_exists(int(first)), second) == (False, "2")


def test_what_ended_while_its_supervisor_was_stopped_past_its_lease_settles_nothing(place: Workplace) -> None:
    lease = ("--supervisor-lease", "3", "--supervisor-beat", "0.5")
    path = place.folder / "starts"
    stopped = place.start(*lease, name="stopped", workers=1)
    stopped.wait_for("ready")
    job_id = place.submit("says.attempt", {"path": str(path)})
    place.lines(path)
    place.start(*lease, name="other", workers=1).wait_for("ready")
    stopped.signal(signal.SIGSTOP)
    place.lines(path, 2)
    # The first attempt ends, and its report waits for a supervisor that sleeps; the second one goes on.
    Path(f"{path}.1").touch()
    place.lines(path, 3)
    stopped.signal(signal.SIGCONT)
    stopped.wait_for("an attempt is no longer ours; what it comes to is dropped")
    stopped.wait_for("ready", times=2)
    assert place.store.get(job_id).status is JobState.RUNNING
    Path(f"{path}.2").touch()
    record = place.end(job_id)
    assert (record.result, record.owner, record.crashes) == (b"2", "other", 1)
    assert stopped.err.count("what it comes to is dropped") == 1
    wait_until(lambda: stale_writes(place) == {"stopped": 1, "other": 0})


def stale_writes(place: Workplace) -> dict[str, int | None]:
    return {one.name: one.roster.stale_writes if one.roster else None for one in place.store.fleet.supervisors()}


def _take_away(server: RedisServer, fault: str) -> None:
    if fault == "killed":
        server.kill()
    else:
        server.freeze()


def _bring_back(server: RedisServer, fault: str) -> None:
    if fault == "killed":
        server.start()
    else:
        server.resume()
