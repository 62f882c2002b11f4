import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobworker.cli.directory import StateDirectory
from jobworker.cli.errors import Failed


@pytest.fixture
def make() -> Iterator[Callable[[Path], StateDirectory]]:
    made: list[StateDirectory] = []

    def directory(path: Path) -> StateDirectory:
        made.append(StateDirectory(path, os.getpid()))
        return made[-1]

    yield directory
    for each in made:
        each.close()


Make = Callable[[Path], StateDirectory]


def test_a_missing_directory_is_made_for_us_alone_and_hidden_from_git(tmp_path: Path, make: Make) -> None:
    path = tmp_path / "deep" / ".jobworker"
    assert make(path).take()
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert (path / ".gitignore").read_text() == "*\n"


def test_a_second_one_is_refused_and_told_who_has_it(tmp_path: Path, make: Make) -> None:
    first, second = make(tmp_path), make(tmp_path)
    assert first.take()
    assert not second.take()
    assert (second.owner(), second.owner_lives()) == (str(os.getpid()), True)


def test_the_lock_ends_with_who_took_it_in_whatever_way(tmp_path: Path, make: Make) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path; from jobworker.cli.directory import StateDirectory\n"
        "StateDirectory(Path(sys.argv[1]), os.getpid()).take(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    directory = make(tmp_path)
    assert directory.owner().isdecimal()
    assert not directory.owner_lives()
    assert directory.take()
    assert directory.owner() == str(os.getpid())


def test_nobody_is_alive_where_nobody_left_word(tmp_path: Path, make: Make) -> None:
    assert not make(tmp_path).owner_lives()


def test_children_do_not_inherit_the_lock(tmp_path: Path) -> None:
    first = StateDirectory(tmp_path, os.getpid())
    assert first.take()
    child = subprocess.Popen(["sleep", "60"], close_fds=False)
    first.close()
    second = StateDirectory(tmp_path, os.getpid())
    assert second.take()
    assert child.poll() is None
    second.close()
    child.kill()
    child.wait()


def test_a_place_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("a file")
    with pytest.raises(Failed) as refused:
        StateDirectory(taken, os.getpid())
    assert refused.value.message == (
        f"the state directory {taken} cannot be used: File exists; --state-dir names another"
    )


def test_a_path_relative_to_the_working_directory_stays_where_it_was(
    tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    directory = make(Path("./state"))
    monkeypatch.chdir("/")
    assert directory.path == tmp_path / "state"
