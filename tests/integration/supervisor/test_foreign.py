"""Handlers in any language, run by a real supervisor."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil
import pytest

from jobworker.store.report import Progress
from jobworker.store.states import JobState, Outcome
from tests.integration.supervisor.test_output import written
from tests.support.command import is_gone
from tests.support.service import Service
from tests.support.supervisor_process import Workplace
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real

PROGRAMS = {
    "doubles": 'n=$(cat); echo "doubling $n" >&2; echo $((n * 2))',
    "retries": '[ "$JOBWORKER_JOB_ATTEMPT" = 3 ] || { echo "not yet" >&2; exit 75; }; echo "$JOBWORKER_JOB_TOKEN"',
    "fails": 'echo "first" >&2; echo "no such luck" >&2; exit 3',
    "dies": "kill -KILL $$",
    "floods": "exec cat /dev/zero",
    "ignores": "exec true",
    "hangs": 'trap "" TERM INT HUP; sleep 600 & setsid sleep 600 & sh -c "sleep 600 & sleep 600 & wait" & '
    "sleep 600 & echo $$ > pid; while :; do :; done",
    "advances": "echo one >&2; echo '::progress 0.5 half of it' >&2; echo two >&2; exec sleep 600",
    "environment": "env | grep -c JOBWORKER_REDIS_URL; true",
}


def declare(place: Workplace, more: str = "") -> Path:
    """Write the programs and their file of declarations, return that."""
    folder = place.folder / "programs"
    folder.mkdir()
    tables: list[str] = [more]
    for name, source in PROGRAMS.items():
        program = folder / name
        program.write_text(f"#!/bin/sh\n{source}\n")
        program.chmod(0o755)
        tables.append(f'[exec."p.{name}"]\ncommand = ["./{name}"]\nbackoff = {{base = 0.01}}\n')
    file = folder / "jobworker.toml"
    file.write_text("\n".join(tables))
    return file


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.close()


def test_programs_come_to_what_they_say(place: Workplace) -> None:
    command = place.start("--config", str(declare(place)))
    command.wait_for("ready")
    doubled = place.run("p.doubles", 21)
    assert (doubled.status, doubled.result) == (JobState.SUCCEEDED, b"42")
    assert doubled.receipt is not None
    command.wait_for("doubling 21")
    retried = place.run("p.retries")
    assert (retried.status, retried.failures) == (JobState.SUCCEEDED, 2)
    assert [attempt.detail.reason for attempt in retried.attempts] == ["not yet", "not yet"]
    assert int(retried.result or b"0") > 0
    failed = place.run("p.fails", max_attempts=1)
    assert failed.error is not None
    assert (failed.error.type, failed.error.message) == ("ProgramFailed", "exit code 3: first\nno such luck")
    died = place.run("p.dies", max_attempts=1)
    assert died.error is not None
    assert (died.status, died.crashes, died.error.message) == (JobState.FAILED, 0, "killed by SIGKILL")
    assert place.run("p.floods").reason == "bad_result"
    assert place.run("p.ignores", "x" * 1_000_000).result == b"null"
    assert place.run("p.environment").result == b"0"


def test_a_program_that_hangs_is_killed_at_its_deadline_with_all_that_it_started(place: Workplace) -> None:
    file = declare(place)
    place.start("--config", str(file)).wait_for("ready")
    job_id = place.submit("p.hangs", timeout_ms=3000, max_attempts=1)
    program = psutil.Process(int(place.lines(file.parent / "pid")[0][0]))
    # The shell below it and five times `sleep`.
    wait_until(lambda: len(program.children(recursive=True)) == 6)
    started = [program, *program.children(recursive=True)]
    record = place.end(job_id)
    assert record.status is JobState.FAILED
    assert record.attempts[0].outcome is Outcome.TIMED_OUT
    wait_until(lambda: all(is_gone(process) for process in started))
    assert place.run("p.doubles", 1).result == b"2"


def test_the_log_and_the_progress_of_a_program_are_the_job_s_while_it_runs_and_after_its_kill(place: Workplace) -> None:
    place.start("--config", str(declare(place))).wait_for("ready")
    job_id = place.submit("p.advances", timeout_ms=3000, max_attempts=1)
    wait_until(lambda: written(place, job_id) == b"one\ntwo\n" and place.store.get(job_id).progress is not None)
    running = place.store.get(job_id)
    assert (running.status, running.progress) == (JobState.RUNNING, Progress(0.5, "half of it"))
    killed = place.end(job_id)
    assert killed.attempts[0].outcome is Outcome.TIMED_OUT
    assert written(place, job_id) == b"one\ntwo\n"


def test_types_are_in_the_catalogue_like_any_other(place: Workplace) -> None:
    table = (
        '[exec."with.schema"]\ncommand = ["cat"]\nschema = {type = "integer"}\ntimeout = 7\ndescription = "Counts."\n'
    )
    place.start("--config", str(declare(place, table))).wait_for("ready")
    entry = place.store.handlers()["with.schema"]
    assert (entry.schema, entry.defaults.timeout, entry.description) == ({"type": "integer"}, 7, "Counts.")
    rejected = place.run("with.schema", "one")
    assert (rejected.status, rejected.reason) == (JobState.FAILED, "invalid_payload")


def test_a_service_runs_jobs_and_a_slow_one_costs_no_worker(place: Workplace, service: Service) -> None:
    table = f'[http."invoice.send"]\nurl = "http://127.0.0.1:{service.port}/jobs"\nallow_private = true\n'
    place.start("--config", str(declare(place, table)), workers=1).wait_for("ready")
    worker = place.run("pid").result
    service.answer(200, b'{"sent": 1}')
    done = place.run("invoice.send", {"to": "a"})
    assert (done.status, msgspec.json.decode(done.result or b"")) == (JobState.SUCCEEDED, {"sent": 1})
    assert (service.asked[0].body, service.asked[0].headers["Idempotency-Key"]) == (b'{"to":"a"}', done.id)
    service.answer(404, b"no such customer")
    assert place.run("invoice.send").reason == "404 Not Found: no such customer"
    service.answer(503, b"", Retry_After="3600")
    job_id = place.submit("invoice.send")
    wait_until(lambda: place.store.get(job_id).status is JobState.SCHEDULED)
    waiting = place.store.get(job_id)
    assert waiting.attempts[0].detail.reason == "503 Service Unavailable"
    service.act = lambda _: service.hang()
    slow = place.run("invoice.send", timeout_ms=500, max_attempts=1)
    assert slow.error is not None
    assert slow.error.message == "127.0.0.1 has not answered within 0.4 s"
    assert place.run("pid").result == worker


def test_a_service_in_a_private_network_is_refused_unless_it_is_allowed(place: Workplace, service: Service) -> None:
    table = f'[http."a"]\nurl = "http://localhost:{service.port}/"\n'
    place.start("--config", str(declare(place, table))).wait_for("ready")
    refused = place.run("a")
    assert refused.status is JobState.FAILED
    assert "which is loopback: only allow_private = true lets us connect there" in (refused.reason or "")
    assert service.asked == []


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ('[exec."t"]\ncommand = ["./absent"]\n', "/programs/absent, which does not exist"),
        ('[http."t"]\nurl = "http://10.0.0.1/"\n', "has 10.0.0.1 in its url, which is private"),
        ('[exec."mark"]\ncommand = ["cat"]\n', "handler mark is declared twice: "),
    ],
)
def test_a_declaration_that_cannot_work_ends_the_start_with_its_place(
    place: Workplace, table: str, sentence: str
) -> None:
    command = place.start("--config", str(declare(place, table)))
    assert command.wait() == 1
    assert sentence in command.err
    assert "jobworker.toml [" in command.err
