import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from jobworker.cli.directory import StateDirectory
from jobworker.cli.errors import Failed


def test_a_missing_directory_is_made_for_us_alone_and_hidden_from_git(tmp_path: Path) -> None:
    path = tmp_path / "deep" / ".jobworker"
    with StateDirectory(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert (path / ".gitignore").read_text() == "*\n"


def test_a_second_one_is_refused_with_the_pid_of_the_first(tmp_path: Path) -> None:
    with StateDirectory(tmp_path), pytest.raises(Failed) as refused, StateDirectory(tmp_path):
        pass
    assert refused.value.message == f"jobworker up is already running in {tmp_path} (pid {os.getpid()})"


def test_the_lock_ends_with_its_owner_in_whatever_way(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path; from jobworker.cli.directory import StateDirectory\n"
        "StateDirectory(Path(sys.argv[1])).__enter__(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert (tmp_path / "up.lock").exists()
    with StateDirectory(tmp_path):
        assert (tmp_path / "up.lock").read_text() == str(os.getpid())


def test_children_do_not_inherit_the_lock(tmp_path: Path) -> None:
    with StateDirectory(tmp_path):
        child = subprocess.Popen(["sleep", "60"], close_fds=False)
    with StateDirectory(tmp_path):
        assert child.poll() is None
    child.kill()
    child.wait()


def test_a_place_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("a file")
    with pytest.raises(Failed) as refused, StateDirectory(taken):
        pass
    assert refused.value.message == (
        f"the state directory {taken} cannot be used: File exists; --state-dir names another"
    )


def test_a_path_relative_to_the_working_directory_stays_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    directory = StateDirectory(Path("./state"))
    monkeypatch.chdir("/")
    assert directory.path == tmp_path / "state"
