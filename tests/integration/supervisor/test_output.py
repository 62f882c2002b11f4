"""What jobs print and how far they are: on real processes, read from Redis."""

import signal
from typing import Any

import pytest

from jobworker.store.backoff import Backoff
from jobworker.store.job import JobRecord
from jobworker.store.report import Progress
from jobworker.store.states import JobState, Outcome
from tests.support.supervisor_process import Workplace
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real

WRITERS = """
import ctypes, os, stat, subprocess, sys, time
from jobworker.handlers import Job, handler

def mode(descriptor):
    try: return os.fstat(descriptor).st_mode
    except OSError: return 0

def wait_for(path):
    while not os.path.exists(path): time.sleep(0.005)

@handler("prints")
def prints(text: str):
    print(text)
    print("and an error", file=sys.stderr)
    subprocess.run(["sh", "-c", "echo from a child; echo and its error >&2"], check=True)
    ctypes.CDLL(None).printf(b"from C, no end of line")
    sys.stdout.write(", from Python neither")

@handler("prints.number")
def prints_number(n: int): print(n)

@handler("prints.and.stays")
def prints_and_stays(path: str):
    print("first")
    wait_for(path)
    print("second")
    wait_for(path + ".2")
    return "done"

@handler("prints.and.dies", max_crashes=2)
def prints_and_dies(job: Job):
    print("attempt", job.attempt)
    os.write(2, b"last words")
    os.kill(os.getpid(), 9)

@handler("prints.and.hangs", timeout=0.3, max_attempts=1)
def prints_and_hangs():
    print("before")
    sys.stdout.write("half a line")
    sys.stdout.flush()
    time.sleep(600)

@handler("floods")
def floods(mebibytes: int):
    sys.stdout.write("the beginning\\n")
    block = "x" * 1023 + "\\n"
    for _ in range(mebibytes): sys.stdout.write(block * 1024)
    print("the end")

@handler("leaves.a.writer", leftovers="keep")
def leaves_a_writer(path: str):
    subprocess.Popen(["sh", "-c", f"while [ ! -e {path} ]; do sleep 0.01; done; echo late; echo > {path}.done"])

@handler("writes.on", leftovers="keep")
def writes_on(path: str):
    subprocess.Popen(["sh", "-c", f"while [ ! -e {path} ]; do echo late; sleep 0.01; done; echo > {path}.done"])

@handler("closes.pipes")
def closes_pipes():
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        if descriptor > 2 and stat.S_ISFIFO(mode(descriptor)): os.close(descriptor)
    return os.getpid()

@handler("logs")
def logs(job: Job):
    job.log.info("at %d", 1)
    job.log.debug("not shown")
    job.log.warning("careful")

@handler("advances")
def advances(path: str, job: Job):
    job.progress(0.1, "begun")
    job.progress(0.25, "a quarter")
    wait_for(path)
    for step in range(10_000): job.progress(step / 10_000)
    job.progress(None, "nobody knows")
    wait_for(path + ".2")

@handler("tells.last")
def tells_last(job: Job):
    job.progress(0.1, "begun")
    job.progress(0.9, f"all but done {job.attempt}")
    if job.attempt == 1: raise ValueError

jobs = []

@handler("tells.late")
def tells_late(job: Job):
    jobs.append(job)
    for number, told in reversed(list(enumerate(jobs))): told.progress(0.5, str(number))

@handler("overdoes")
def overdoes(job: Job): job.progress(1.5)
"""


@pytest.fixture
def place(place: Workplace) -> Workplace:
    (place.folder / "writers.py").write_text(WRITERS)
    return place


def start(place: Workplace, *options: str, workers: int = 1) -> None:
    place.start(f"--handlers={place.folder / 'writers.py'}", *options, workers=workers).wait_for("ready")


def written(place: Workplace, job_id: str) -> bytes:
    """Return the job's log, whole."""
    fields: Any = place.client.hgetall(f"jobworker:{{0}}:job:{job_id}:log")
    chunks = sorted((int(name), value) for name, value in fields.items() if name.isdigit())
    return b"".join(value.split(b" ", 3)[3] for _, value in chunks)


def output_of(place: Workplace, record: JobRecord) -> bytes:
    return written(place, record.id)


def test_all_that_a_job_and_its_children_write_is_kept_in_order(place: Workplace) -> None:
    start(place)
    done = place.run("prints", "hello")
    told = output_of(place, done).decode()
    *lines, rest = told.split("\n")
    assert lines == ["hello", "and an error", "from a child", "and its error"]
    # Which of two buffers with half a line in them is written first is nobody's promise.
    halves = ("from C, no end of line", ", from Python neither")
    assert rest in ("".join(halves), "".join(reversed(halves)))


def test_jobs_in_turn_do_not_get_each_other_s_output(place: Workplace) -> None:
    start(place, workers=2)
    ids = [place.submit("prints.number", number) for number in range(200)]
    assert [output_of(place, place.end(job_id)) for job_id in ids] == [b"%d\n" % number for number in range(200)]


def test_a_running_job_s_output_can_be_read(place: Workplace) -> None:
    start(place)
    path = place.folder / "go"
    job_id = place.submit("prints.and.stays", str(path))
    wait_until(lambda: written(place, job_id) == b"first\n")
    path.touch()
    wait_until(lambda: written(place, job_id) == b"first\nsecond\n")
    assert place.store.get(job_id).status is JobState.RUNNING
    (place.folder / "go.2").touch()
    assert output_of(place, place.end(job_id)) == b"first\nsecond\n"


def test_last_words_survive_the_death_and_attempts_follow_each_other(place: Workplace) -> None:
    start(place)
    dead = place.run("prints.and.dies")
    assert (dead.status, dead.reason) == (JobState.FAILED, "crash_loop")
    assert output_of(place, dead) == b"attempt 1\nlast wordsattempt 2\nlast words"


def test_the_output_of_a_job_that_is_killed_is_kept(place: Workplace) -> None:
    start(place)
    killed = place.run("prints.and.hangs")
    assert killed.attempts[0].outcome is Outcome.TIMED_OUT
    assert output_of(place, killed) == b"before\nhalf a line"


def test_a_flood_keeps_its_beginning_and_its_end_and_others_go_on(place: Workplace) -> None:
    start(place, workers=2)
    flooding = place.submit("floods", 300)
    wait_until(lambda: written(place, flooding) != b"")
    # In the meantime: one after the other, none of them waits for the flood.
    others = [place.run("pid") for _ in range(10)]
    waited_ms = [done.started_ms - done.created_ms for done in others if done.started_ms and done.created_ms]
    kept = output_of(place, place.end(flooding, timeout_seconds=60))
    assert len(kept) == 256 * 1024
    assert kept.startswith(b"the beginning\n")
    assert kept.endswith(b"x\nthe end\n")
    assert sorted(waited_ms)[5] < 100


def test_what_something_left_behind_writes_later_is_nobody_s(place: Workplace) -> None:
    start(place)
    path = place.folder / "go"
    left = place.run("leaves.a.writer", str(path))
    between = place.run("prints.number", 1)
    path.touch()
    wait_until((place.folder / "go.done").exists)
    assert output_of(place, left) == b""
    assert output_of(place, between) == b"1\n"


def test_what_is_written_all_the_time_by_something_left_is_no_later_job_s(place: Workplace) -> None:
    start(place)
    path = place.folder / "go"
    first = place.submit("writes.on", str(path))
    place.end(first)
    between = [place.run("prints.number", number) for number in range(5)]
    staying = place.submit("prints.and.stays", str(place.folder / "stay"))
    wait_until(lambda: written(place, staying) == b"first\n")
    path.touch()
    wait_until((place.folder / "go.done").exists)
    (place.folder / "stay").touch()
    (place.folder / "stay.2").touch()
    place.end(staying)
    assert [output_of(place, record) for record in between] == [b"%d\n" % number for number in range(5)]
    assert written(place, staying) == b"first\nsecond\n"


def test_a_job_that_closes_the_pipes_costs_no_other_job(place: Workplace) -> None:
    start(place)
    closed = place.run("closes.pipes")
    after = place.run("prints.number", 2)
    assert (after.status, after.crashes, after.attempt) == (JobState.SUCCEEDED, 0, 1)
    assert output_of(place, after) == b"2\n"
    assert closed.result != place.run("pid").result


def test_the_supervisor_s_log_shows_it_with_the_job_unless_told_otherwise(place: Workplace) -> None:
    loud = place.start(f"--handlers={place.folder / 'writers.py'}", workers=1)
    loud.wait_for("ready")
    done = place.run("prints.number", 7)
    loud.wait_for(f'"job": "{done.id}", "line": "7"')
    loud.process.send_signal(signal.SIGTERM)
    loud.process.wait(20)
    quiet = place.start(f"--handlers={place.folder / 'writers.py'}", "--no-supervisor-echo-output", workers=1)
    quiet.wait_for("ready")
    other = place.run("prints.number", 8)
    quiet.process.send_signal(signal.SIGTERM)
    quiet.process.wait(20)
    assert output_of(place, other) == b"8\n"
    assert other.id not in quiet.out + quiet.err


def test_output_that_is_not_to_be_kept_goes_where_the_supervisor_s_goes(place: Workplace) -> None:
    command = place.start(f"--handlers={place.folder / 'writers.py'}", "--no-supervisor-keep-output", workers=1)
    command.wait_for("ready")
    done = [place.run("prints.number", number) for number in (41, 42)]
    assert [output_of(place, record) for record in done] == [b"", b""]
    assert command.out == "41\n42\n"
    assert done[1].status is JobState.SUCCEEDED


def test_job_log_writes_into_the_output(place: Workplace) -> None:
    start(place)
    assert output_of(place, place.run("logs")) == b"INFO at 1\nWARNING careful\n"


def test_progress_is_seen_while_the_job_runs_the_last_one_too(place: Workplace) -> None:
    start(place)
    path = place.folder / "go"

    def progress() -> tuple[float | None, str] | None:
        found = place.store.get(job_id).progress
        return None if found is None else (found.fraction, found.message)

    job_id = place.submit("advances", str(path))
    wait_until(lambda: progress() == (0.25, "a quarter"))
    path.touch()
    wait_until(lambda: progress() == (None, "nobody knows"))
    (place.folder / "go.2").touch()
    assert place.end(job_id).status is JobState.SUCCEEDED


def test_the_last_progress_is_kept_whenever_the_attempt_ends(place: Workplace) -> None:
    start(place)
    job_id = place.submit("tells.last", backoff=Backoff(base=600, jitter=False))
    wait_until(lambda: place.store.get(job_id).status is JobState.SCHEDULED)
    assert place.store.get(job_id).progress == Progress(0.9, "all but done 1")
    done = place.run("tells.last", max_attempts=1)
    assert (done.status, done.progress) == (JobState.FAILED, Progress(0.9, "all but done 1"))


def test_a_progress_that_comes_after_its_job_s_end_is_not_the_next_one_s(place: Workplace) -> None:
    start(place)
    place.run("tells.late")
    # The first job's is told last: nobody hears it.
    place.run("prints.number", 1)
    assert place.run("tells.late").progress == Progress(0.5, "1")


def test_a_fraction_beyond_one_is_the_handler_s_mistake(place: Workplace) -> None:
    start(place)
    failed = place.run("overdoes", max_attempts=1)
    assert failed.error is not None
    assert failed.error.message == "the fraction of a progress is a number from 0 to 1, not 1.5"


def test_output_of_a_time_without_redis_is_not_lost(own_place: Workplace) -> None:
    (own_place.folder / "writers.py").write_text(WRITERS)
    start(own_place)
    path = own_place.folder / "go"
    job_id = own_place.submit("prints.and.stays", str(path))
    wait_until(lambda: written(own_place, job_id) == b"first\n")
    own_place.server.freeze()
    path.touch()
    (own_place.folder / "go.2").touch()
    own_place.server.resume()
    assert output_of(own_place, own_place.end(job_id)) == b"first\nsecond\n"
