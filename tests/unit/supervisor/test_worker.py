"""The worker's side of the mailbox, run in this very process, and what it restores between jobs."""

import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import pytest

from jobworker.handlers import handler
from jobworker.handlers.builtin.webhook import Webhooks
from jobworker.handlers.errors import LoadFailed
from jobworker.handlers.registry import Registry
from jobworker.store.states import Outcome
from jobworker.supervisor import messages, worker
from jobworker.supervisor.board import Board, boottime_ns
from jobworker.supervisor.lifespan import Lifespan, LifespanLimits
from jobworker.supervisor.mailbox import End, open_mailbox
from jobworker.supervisor.messages import Assignment, Importing, Report
from jobworker.supervisor.pipes import OutputPipes
from jobworker.supervisor.process import STOP_SIGNALS, CutOff, do_nothing
from jobworker.supervisor.worker import Surroundings, Worker


@contextmanager
def mailbox() -> Iterator[tuple[End, End]]:
    ends = open_mailbox()
    yield ends
    for end in ends:
        end.close()


@pytest.fixture(autouse=True)
def undisturbed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give the process of the tests its signal handlers, mask, folder and umask back."""
    handlers = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    folder, mask = os.getcwd(), os.umask(0o022)
    os.umask(mask)
    yield
    for number, known in handlers.items():
        signal.signal(number, known)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.chdir(folder)
    os.umask(mask)


class Office:
    """Runs a worker on a few assignments."""

    def __init__(self, limits: LifespanLimits = LifespanLimits()) -> None:  # noqa: B008 - it is frozen
        self.registry = Registry()
        self.ours, theirs = open_mailbox()
        board = Board()
        board.fence_ns = boottime_ns() + 10**12
        self.pipes = OutputPipes.open()
        lifespan, title = Lifespan(limits), "jobworker worker test"
        self.worker = Worker(theirs, board, self.pipes, self.registry, lifespan, title, keep_leftovers=False)
        self.theirs, self.board = theirs, board

    def declare(self, name: str, function: Callable[..., Any]) -> None:
        with self.registry.collecting():
            handler(name)(function)

    def run(self, *kinds: str) -> tuple[int, list[Report]]:
        """Return its exit code and what it has reported."""
        for token, kind in enumerate(kinds):
            assignment = Assignment("job", token, kind, "default", b"null", 1, 3, None, 0)
            self.ours.send(messages.encode(assignment))
        self.ours.close_writing()
        code = self.worker.run()
        self.theirs.close_writing()
        heard = [messages.decode(frame) for frame in iter(self.ours.receive, None)]
        reports = [message for message in heard if isinstance(message, Report)]
        assert reports == heard
        return code, reports

    def close(self) -> None:
        self.worker._execution._runner.close()
        os.close(self.worker._surroundings._folder)
        self.ours.close()
        self.theirs.close()
        self.board.close()
        self.pipes.close()


@pytest.fixture
def office() -> Iterator[Office]:
    office = Office()
    yield office
    office.close()


def test_jobs_are_reported_one_by_one_until_the_mailbox_ends(office: Office) -> None:
    office.declare("one", lambda: 1)
    code, reports = office.run("one", "two", "one")
    assert code == 0
    assert [(report.token, report.outcome) for report in reports] == [
        (0, Outcome.SUCCEEDED),
        (1, Outcome.UNHANDLED),
        (2, Outcome.SUCCEEDED),
    ]
    assert [report.retiring for report in reports] == ["", "", ""]


def test_a_thread_left_running_retires_the_worker_after_its_report(office: Office) -> None:
    gate = threading.Event()
    office.declare("leave", lambda: threading.Thread(target=gate.wait, name="forgotten").start())
    code, reports = office.run("leave", "leave")
    gate.set()
    assert code == 0
    assert [(report.outcome, report.retiring) for report in reports] == [
        (Outcome.SUCCEEDED, "its job left threads running: forgotten")
    ]


def test_threads_that_have_ended_and_daemons_are_nobody_s_business(office: Office) -> None:
    gate = threading.Event()

    def leave() -> None:
        threading.Thread(target=gate.wait, daemon=True).start()
        ended = threading.Thread(target=int)
        ended.start()
        ended.join()

    office.declare("leave", leave)
    _, reports = office.run("leave", "leave")
    gate.set()
    assert [report.retiring for report in reports] == ["", ""]


def test_threads_of_before_the_first_job_are_not_left_by_it() -> None:
    gate = threading.Event()
    thread = threading.Thread(target=gate.wait, name="started by an import")
    thread.start()
    office = Office()
    office.declare("one", lambda: 1)
    _, reports = office.run("one")
    gate.set()
    thread.join()
    office.close()
    assert [report.retiring for report in reports] == [""]


def test_folder_umask_timers_and_signals_are_put_back(tmp_path: Path) -> None:
    surroundings = Surroundings()
    folder, mask = os.getcwd(), os.umask(0o077)
    os.umask(mask)
    os.chdir(tmp_path)
    os.umask(0o077)
    for timer in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
        signal.setitimer(timer, 600)
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    surroundings.restore()
    os.close(surroundings._folder)
    now = os.umask(mask)
    assert (os.getcwd(), now) == (folder, mask)
    assert [signal.getitimer(timer)[0] for timer in (0, 1, 2)] == [0, 0, 0]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()
    assert [signal.getsignal(number) for number in STOP_SIGNALS] == [do_nothing] * len(STOP_SIGNALS)


def test_the_folder_is_put_back_also_when_it_was_removed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    os.chdir(home)
    surroundings = Surroundings()
    home.rmdir()
    os.chdir("/")
    surroundings.restore()
    os.close(surroundings._folder)
    with pytest.raises(FileNotFoundError):
        os.getcwd()


def test_secrets_leave_the_environment_and_output_is_not_buffered(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JOBWORKER_REDIS_URL", "JOBWORKER_REDIS_URL_FILE", "PYTHONUNBUFFERED", "JOBWORKER_TREE"):
        monkeypatch.setenv(name, "secret")
    worker._prepare({"JOBWORKER_TREE": "one:1"})
    assert "JOBWORKER_REDIS_URL" not in os.environ
    assert "JOBWORKER_REDIS_URL_FILE" not in os.environ
    assert (os.environ["PYTHONUNBUFFERED"], os.environ["JOBWORKER_TREE"]) == ("1", "one:1")


def test_the_hello_names_every_type_with_what_it_declares(tmp_path: Path) -> None:
    file = tmp_path / "mine_for_hello.py"
    file.write_text(
        "from jobworker.handlers import handler\n"
        "@handler('mine', timeout=None, max_attempts=7)\n"
        "def mine(n: int):\n    'Say it.\\n\\nMore.'\n"
    )
    with mailbox() as (ours, theirs):
        hello = worker._load([str(file)], Registry(), theirs, Webhooks())
        assert [messages.decode(frame) for frame in ours.receive_waiting()] == [Importing(str(file))]
    assert [entry.type for entry in hello.entries] == ["echo", "jobworker.webhook", "mine", "sleep"]
    (mine,) = (entry for entry in hello.entries if entry.type == "mine")
    assert (mine.schema, mine.description, mine.digest) == ({"type": "integer"}, "Say it.", hello.digest)
    assert (mine.defaults.timeout, mine.defaults.max_attempts, mine.defaults.queue) == (None, 7, None)


def test_a_module_that_does_not_load_is_told(tmp_path: Path) -> None:
    with mailbox() as (_, theirs), pytest.raises(LoadFailed, match="does not exist"):
        worker._load([str(tmp_path / "none.py")], Registry(), theirs, Webhooks())


def _close_standard_output() -> None:
    os.close(1)


def _replace_standard_output(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    os.dup2(descriptor, 1)
    os.close(descriptor)


@pytest.mark.parametrize("harm", ["closed", "replaced", "stream closed", "stream detached"])
def test_a_worker_whose_standard_streams_are_not_its_own_retires(
    office: Office, harm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    harms: dict[str, Callable[[], object]] = {
        "closed": _close_standard_output,
        "replaced": lambda: _replace_standard_output(tmp_path / "file"),
        "stream closed": lambda: sys.stdout.close(),
        "stream detached": lambda: stream.detach(),
    }
    kept = os.dup(1)
    stream = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdout", stream)
    os.close(office.worker._surroundings._folder)
    office.worker._surroundings = Surroundings()
    office.declare("harm", harms[harm])
    try:
        _, reports = office.run("harm", "harm")
    finally:
        os.dup2(kept, 1)
        os.close(kept)
    assert [report.retiring for report in reports] == [
        "its job closed stdin, stdout or stderr, or put a file in their place"
    ]


def test_a_stream_that_a_job_has_put_in_the_place_of_another_writes_what_it_holds_and_goes(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    os.close(office.worker._surroundings._folder)
    office.worker._surroundings = Surroundings()
    ours = sys.stdout
    others: list[TextIO] = []

    def replace() -> None:
        assert sys.stdout is ours
        sys.stdout = open(1, "w", buffering=4096, closefd=False)  # noqa: SIM115 - as a job would
        others.append(sys.stdout)
        sys.stdout.write("held back\n")

    office.declare("replace", replace)
    _, reports = office.run("replace", "replace")
    assert [(report.outcome, report.retiring) for report in reports] == [(Outcome.SUCCEEDED, "")] * 2
    assert [office.pipes.read(source) for source in office.pipes.sources] == [b"held back\n" * 2, None]
    for other in others:
        other.close()


def test_a_job_that_closes_a_descriptor_of_the_worker_s_is_its_last(office: Office) -> None:
    office.declare("close", lambda: os.close(office.worker._surroundings._folder))
    _, reports = office.run("close", "close")
    office.worker._surroundings._folder = os.open(".", os.O_RDONLY)
    assert [report.retiring for report in reports] == ["its job closed descriptors of the worker"]


def test_who_closes_the_mailbox_is_cut_off_whatever_file_has_its_number(office: Office) -> None:
    office.declare("take", lambda: os.dup2(0, office.theirs.fileno()))
    with pytest.raises(CutOff, match="closed the worker's mailbox"):
        office.run("take")


def test_a_timer_of_the_job_s_does_not_go_off_in_the_worker_s_code(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[float] = []

    def look() -> bool:
        seen.append(signal.getitimer(signal.ITIMER_REAL)[0])
        return False

    office.declare("timer", lambda: signal.setitimer(signal.ITIMER_REAL, 600))
    monkeypatch.setattr(worker, "reap", look)
    office.run("timer")
    assert seen == [0]
