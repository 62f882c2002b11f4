import subprocess
import sys
from pathlib import Path

import pytest

from jobworker.cli.main import main
from jobworker.store.errors import StoreError, StoreUnavailable


def exit_code(*arguments: str) -> object:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return ended.value.code


@pytest.fixture(autouse=True)
def _in_an_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_help_ends_well(capfd: pytest.CaptureFixture[str]) -> None:
    assert exit_code("--help") == 0
    assert "supervisor" in capfd.readouterr().out


def test_without_a_command_the_help_is_shown_as_a_usage_error(capfd: pytest.CaptureFixture[str]) -> None:
    assert exit_code() == 2
    assert "Usage: jobworker" in capfd.readouterr().err


def test_the_version_is_the_distribution_s(capfd: pytest.CaptureFixture[str]) -> None:
    assert exit_code("--version") == 0
    assert "0.1.0" in capfd.readouterr().out


def test_a_usage_error_is_one_line_and_code_2(capfd: pytest.CaptureFixture[str]) -> None:
    assert exit_code("submit") == 2
    assert capfd.readouterr().err == "jobworker: Missing argument 'TYPE' (see `jobworker submit --help`)\n"


def test_an_unknown_option_is_one_line_and_code_2(capfd: pytest.CaptureFixture[str]) -> None:
    assert exit_code("supervisor", "--wokers", "3") == 2
    error = capfd.readouterr().err
    assert error.startswith("jobworker: No such option")
    assert error.count("\n") == 1


def test_a_bad_option_is_named_as_it_may_be_given(capfd: pytest.CaptureFixture[str]) -> None:
    assert exit_code("supervisor", "--workers", "0") == 2
    assert capfd.readouterr().err == (
        "jobworker: Invalid value for '--workers' / '--supervisor-workers': '0' is not allowed; "
        "allowed: a whole number from 1 to 1000 or auto (see `jobworker supervisor --help`)\n"
    )


def test_a_bad_setting_of_the_environment_is_one_line_and_code_2(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBWORKER_API_THREADS", "none")
    assert exit_code("api") == 2
    assert capfd.readouterr().err == (
        "jobworker: JOBWORKER_API_THREADS: 'none' is not allowed; allowed: a whole number from 1 to 256\n"
    )


def test_an_api_that_is_not_there_is_one_line_and_code_3(capfd: pytest.CaptureFixture[str], free_url: str) -> None:
    assert exit_code("job", "some-id", "--url", free_url) == 3
    assert capfd.readouterr().err == (
        f"jobworker: the API at {free_url} is not reachable (Connection refused); "
        "`jobworker up` starts one, --url names another\n"
    )


@pytest.mark.parametrize(
    ("raised", "code", "line"),
    [
        (StoreUnavailable("Redis is away"), 3, "jobworker: Redis is away\n"),
        (PermissionError(13, "Permission denied", "/x"), 1, "jobworker: /x: Permission denied\n"),
        (
            StoreError('  File "a.py"\nhandlers file a.py does not import'),
            1,
            '  File "a.py"\njobworker: handlers file a.py does not import\n',
        ),
        (KeyboardInterrupt(), 130, "\njobworker: interrupted\n"),
    ],
)
def test_an_error_that_is_an_answer_is_no_traceback(
    raised: BaseException, code: int, line: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(_variable: str) -> str:
        raise raised

    # The one place where every command passes; no command can be made to raise each of these on demand.
    monkeypatch.setattr("jobworker.cli.options.load", lambda *_: read(""))
    assert exit_code("config") == code
    assert capfd.readouterr().err == line


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("jobworker.cli.options.load", fail)
    with pytest.raises(ZeroDivisionError):
        main(["config"])


def test_a_reader_that_leaves_ends_the_command_without_a_word() -> None:
    command = f"{sys.executable} -P -m jobworker.cli config | true; exit ${{PIPESTATUS[0]}}"
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert ended.stderr == ""
    assert ended.returncode in (0, 1)  # 0: all was written before the reader left


def test_the_help_loads_nothing_heavy() -> None:
    program = (
        "import sys; from jobworker.cli.main import main\n"
        "heavy = {'redis', 'falcon', 'waitress', 'rich', 'structlog', 'asyncio', 'http.client'}\n"
        "try: main(['--help'])\n"
        "except SystemExit: print(sorted(heavy & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "command", ["submit echo $'\\xff'", "job $'\\xff'", "pause --reason $'\\xff'", "submit echo - <<< $'\\xff'"]
)
def test_bytes_that_are_not_utf8_are_one_line_and_code_2(command: str) -> None:
    line = f"{sys.executable} -P -m jobworker.cli {command}"
    ended = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "not UTF-8" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_an_address_with_a_blank_is_one_line() -> None:
    line = [sys.executable, "-P", "-m", "jobworker.cli", "pause", "--url", "http://a b/"]
    ended = subprocess.run(line, capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    assert ended.stderr.startswith("jobworker: 'http://a b/' is not a URL")
