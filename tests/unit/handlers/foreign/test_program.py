"""`exec` handlers, on real programs."""

import json
import os
import resource
import sys
import time
from pathlib import Path

import psutil
import pytest

from jobworker.handlers import Retry
from jobworker.handlers.errors import BadResult, ProgramFailed
from jobworker.handlers.limits import MAX_RESULT_BYTES
from tests.support.waiting import wait_until
from tests.unit.handlers.foreign.conftest import Declarations

SHELL = "#!/bin/sh\n"
PYTHON = f"#!{sys.executable}\n"


def test_the_payload_comes_on_stdin_as_it_was_submitted_and_stdout_is_the_result(declarations: Declarations) -> None:
    declarations.script(SHELL + "exec cat\n")
    assert declarations.run({"text": "ü", "n": [1, 2.5, None]}) == {"text": "ü", "n": [1, 2.5, None]}


def test_a_mebibyte_goes_in_and_comes_out(declarations: Declarations) -> None:
    declarations.script(SHELL + "exec cat\n")
    text = "x" * (MAX_RESULT_BYTES - 2)
    assert declarations.run(text) == text


@pytest.mark.parametrize("output", ["", " \n"])
def test_nothing_on_stdout_is_null(declarations: Declarations, output: str) -> None:
    declarations.script(SHELL + f"printf '{output}'\n")
    assert declarations.run(1) is None


@pytest.mark.parametrize("size", [1, MAX_RESULT_BYTES - 2])
def test_a_program_need_not_read_its_payload(declarations: Declarations, size: int) -> None:
    declarations.script(SHELL + "echo 7\n")
    assert declarations.run("x" * size) == 7


def test_a_program_may_answer_before_it_has_read_everything(declarations: Declarations) -> None:
    declarations.script(PYTHON + "import sys\nprint('[' + '1,' * 200000 + '1]', flush=True)\nsys.stdin.read()\n")
    assert len(declarations.run("x" * (MAX_RESULT_BYTES - 2))) == 200_001


@pytest.mark.parametrize("output", ["no JSON", '{"a": }', "1 2", "\\377"])
def test_what_is_no_json_is_a_bad_result(declarations: Declarations, output: str) -> None:
    declarations.script(SHELL + f"printf '{output}'\n")
    with pytest.raises(BadResult, match=r"stdout is no JSON: .*; it begins with "):
        declarations.run()


def test_a_gigabyte_on_stdout_is_a_bad_result_and_no_memory(declarations: Declarations) -> None:
    declarations.script(SHELL + "echo $$ > pid\nexec dd if=/dev/zero bs=1M count=1024 2>/dev/null\n")
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BadResult, match=f"more than {MAX_RESULT_BYTES} bytes to stdout"):
        declarations.run()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 16 * 1024
    assert not psutil.pid_exists(int((declarations.folder / "pid").read_text()))


def test_exit_code_75_asks_for_another_attempt_and_says_why(declarations: Declarations) -> None:
    declarations.script(SHELL + "echo starting >&2\necho 'the disk is busy' >&2\nexit 75\n")
    with pytest.raises(Retry, match=r"^the disk is busy$") as caught:
        declarations.run()
    assert caught.value.after is None
    declarations.script(SHELL + "exit 75\n")
    with pytest.raises(Retry, match=r"^exit code 75$"):
        declarations.run()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("echo one >&2; echo two >&2; exit 3", "exit code 3: one\ntwo"),
        ("echo '{}'; exit 1", "exit code 1"),
        ("kill -SEGV $$", "killed by SIGSEGV"),
        ("kill -40 $$", "killed by signal 40"),
        ("seq 1 30 >&2; exit 1", "exit code 1: " + "\n".join(map(str, range(21, 31)))),
    ],
)
def test_any_other_end_is_a_failed_attempt_with_the_last_lines(
    declarations: Declarations, source: str, message: str
) -> None:
    declarations.script(SHELL + source)
    with pytest.raises(ProgramFailed) as caught:
        declarations.run()
    assert str(caught.value) == message


def test_a_message_is_bounded(declarations: Declarations) -> None:
    declarations.script(SHELL + "head -c 1000000 /dev/zero | tr '\\0' x >&2; exit 1\n")
    with pytest.raises(ProgramFailed) as caught:
        declarations.run()
    assert len(str(caught.value)) < 5000


def test_the_environment_tells_of_the_job(declarations: Declarations, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_THE_WORKER", "yes")
    source = "import json, os\nprint(json.dumps(dict(os.environ)))\n"
    declarations.script(PYTHON + source, 'env = {COLOUR = "red", JOBWORKER_JOB_ID = "forged"}')
    began_at = time.time()
    environ = declarations.run(queue="mine", attempt=2, max_attempts=5, timeout=20)
    told = {name.removeprefix("JOBWORKER_JOB_"): value for name, value in environ.items() if "_JOB_" in name}
    deadline = float(told.pop("DEADLINE"))
    assert len(told.pop("ID")) == 36
    assert told == {"TYPE": "t", "QUEUE": "mine", "ATTEMPT": "2", "MAX_ATTEMPTS": "5", "TOKEN": "2"}
    assert began_at + 19.9 < deadline < time.time() + 20
    assert (environ["COLOUR"], environ["OF_THE_WORKER"]) == ("red", "yes")
    assert "JOBWORKER_JOB_DEADLINE" not in declarations.run(timeout=None)


def test_the_environment_holds_the_trace_of_the_job_and_no_other(
    declarations: Declarations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACEPARENT", "of the supervisor")
    declarations.script(PYTHON + "import json, os\nprint(json.dumps(dict(os.environ)))\n")
    environ = declarations.run(trace="00-a-b-01 c=d")
    assert (environ["TRACEPARENT"], environ["TRACESTATE"]) == ("00-a-b-01", "c=d")
    assert not {"TRACEPARENT", "TRACESTATE"} & declarations.run().keys()
    assert "TRACESTATE" not in declarations.run(trace="00-a-b-01")


def test_a_program_finds_its_signals_as_anybody_would_and_no_descriptor_of_ours(declarations: Declarations) -> None:
    source = "import json, os, signal\n"
    source += "ignored = [n for n in signal.valid_signals() if signal.getsignal(n) is signal.SIG_IGN]\n"
    # Python itself ignores the first two; the last descriptor is that of the listing.
    source += "print(json.dumps([ignored, sorted(map(int, os.listdir('/proc/self/fd')))]))\n"
    declarations.script(PYTHON + source)
    ignored, descriptors = declarations.run()
    assert {*ignored} <= {13, 25}
    assert descriptors == [0, 1, 2, 3]
    declarations.script(SHELL + "grep SigIgn /proc/self/status | tr -dc 0-9a-f | sed 's/.*/\"&\"/'\n")
    assert int(declarations.run(), 16) == 0


@pytest.mark.parametrize(("cwd", "found"), [("", "."), ('cwd = "sub"', "sub"), ('cwd = "/"', "/")])
def test_a_program_runs_in_the_folder_of_the_file_or_where_cwd_says(
    declarations: Declarations, cwd: str, found: str
) -> None:
    (declarations.folder / "sub").mkdir()
    declarations.script(PYTHON + "import json, os\nprint(json.dumps(os.getcwd()))\n", cwd)
    assert Path(declarations.run()) == (declarations.folder / found).resolve()


def test_what_it_leaves_running_is_not_waited_for_although_it_holds_the_pipes(declarations: Declarations) -> None:
    declarations.script(SHELL + "sleep 600 & echo $! > pid\necho 5\n")
    began_at = time.monotonic()
    try:
        assert declarations.run() == 5
        assert time.monotonic() - began_at < 60
    finally:
        os.kill(int((declarations.folder / "pid").read_text()), 9)


def test_stderr_is_passed_on_while_the_program_runs(
    declarations: Declarations, capfd: pytest.CaptureFixture[str]
) -> None:
    # It ends when it sees that its line has arrived: nobody waits for its end to pass lines on.
    source = "import os, sys, time\nprint('hello', file=sys.stderr, flush=True)\n"
    source += "while not os.path.exists('go'): time.sleep(0.005)\n"
    declarations.script(PYTHON + source)
    child = os.fork()
    if child == 0:
        try:
            declarations.run()
        finally:
            os._exit(0)
    seen = ""

    def has_arrived() -> bool:
        nonlocal seen
        seen += capfd.readouterr().err
        return seen == "hello\n"

    wait_until(has_arrived)
    (declarations.folder / "go").touch()
    assert os.waitpid(child, 0)[1] == 0


def test_progress_lines_are_no_log_lines(declarations: Declarations, capfd: pytest.CaptureFixture[str]) -> None:
    declarations.script(SHELL + "echo a >&2; echo '::progress 0.5 half' >&2; printf b >&2; exit 1\n")
    with pytest.raises(ProgramFailed, match=r"^exit code 1: a\nb$"):
        declarations.run()
    assert capfd.readouterr().err == "a\nb\n"


def test_a_program_that_is_gone_or_cannot_run_is_told_clearly(declarations: Declarations) -> None:
    declarations.script("#!/no/such/interpreter\n")
    program = declarations.folder / "program"
    with pytest.raises(ProgramFailed, match=f"^{program} cannot be run: No such file .*the interpreter"):
        declarations.run()
    program.write_bytes(b"\x7fELF nonsense")
    with pytest.raises(ProgramFailed, match="cannot be run: Exec format error"):
        declarations.run()
    program.unlink()
    with pytest.raises(ProgramFailed, match=r"cannot be run: No such file or directory$"):
        declarations.run()


def test_no_descriptor_and_no_zombie_is_left(declarations: Declarations) -> None:
    declarations.script(SHELL + "echo no >&2; exit 1\n")
    me = psutil.Process()
    counts = set()
    for _ in range(5):
        with pytest.raises(ProgramFailed):
            declarations.run(1)
        counts.add((me.num_fds(), len(me.children())))
    assert len(counts) == 1


def test_programs_in_any_language(declarations: Declarations) -> None:
    text = '[exec."t"]\ncommand = {command}\n'
    commands = [
        ["awk", "BEGIN { getline; print $0 + 1 }"],
        ["perl", "-e", "print <STDIN> + 1"],
        [sys.executable, "-c", "print(int(input()) + 1)"],
    ]
    for command in commands:
        declarations.declare(text.format(command=json.dumps(command)))
        assert declarations.run(41) == 42
