"""All of jobworker under faults, by its own command: nothing is lost, and if something were, that would be seen."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil
import pytest

from jobworker.cli.chaos.schedule import KINDS, draw
from tests.support.command import clean_environment
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

SEED: Final = 4
SECONDS: Final = 45
#: Often enough that each kind comes at least once in this time.
EVERY_SECONDS: Final = 1.0
_MODULE: Final = "jobworker.cli"


def chaos(folder: Path, *arguments: str, module: str = _MODULE) -> subprocess.CompletedProcess[str]:
    """Run the command, with its temporary folder within `folder`."""
    folder.mkdir()
    return subprocess.run(
        [sys.executable, *(["-P"] if module == _MODULE else []), "-m", module, "chaos", "--json", *arguments],
        env=clean_environment(TMPDIR=str(folder)),
        capture_output=True,
        text=True,
        check=False,
    )


def report(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    return msgspec.json.decode(done.stdout, type=dict[str, Any])


def test_a_run_of_every_fault_loses_nothing(tmp_path: Path) -> None:
    every = (f"--seed={SEED}", f"--seconds={SECONDS}", f"--every={EVERY_SECONDS}", "--rate=25")
    done = chaos(tmp_path / "runs", *every)
    assert done.returncode == 0, done.stdout + done.stderr
    found = report(done)
    assert {fault.kind for fault in draw(SEED, SECONDS, EVERY_SECONDS, ["supervisor-1", "supervisor-2"])} == {
        kind.name for kind in KINDS
    }
    assert sum(found["faults"].values()) >= 15
    verdict = found["verdict"]
    assert verdict["succeeded"] == verdict["accepted"] + verdict["recovered"] > 0
    assert verdict["again"]["crashed"] > 0
    assert not list((tmp_path / "runs").iterdir())


def test_a_run_that_loses_jobs_says_so_and_keeps_what_tells_why(tmp_path: Path) -> None:
    # The second of these faults, after 3 seconds, is the one that is made to forget.
    done = chaos(tmp_path / "runs", "--seed=23", "--seconds=7", module="tests.support.chaos_that_forgets")
    assert done.returncode == 1, done.stdout + done.stderr
    found = report(done)
    assert found["faults"]["kill_clients"] > 0
    assert len(found["verdict"]["lost"]) > 10
    [kept] = (tmp_path / "runs").iterdir()
    assert str(kept) in done.stderr
    assert (kept / "ledger").stat().st_size > 0


def test_a_folder_that_is_there_is_not_used(tmp_path: Path) -> None:
    done = chaos(tmp_path / "runs", "--keep", str(tmp_path))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "File exists" in done.stderr


@pytest.mark.parametrize(
    ("number", "is_kept"), [(signal.SIGINT, False), (signal.SIGTERM, False), (signal.SIGTERM, True)]
)
def test_an_interrupted_run_ends_its_processes_and_leaves_only_the_folder_to_keep(
    tmp_path: Path, number: signal.Signals, *, is_kept: bool
) -> None:
    runs = tmp_path / "runs"
    runs.mkdir()
    keep = ["--keep", str(runs / "kept")] if is_kept else []
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", _MODULE, "chaos", "--json", "--seconds=3600", *keep],
        env=clean_environment(TMPDIR=str(runs)),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_until(lambda: any(runs.glob("*/posts-*")), timeout_seconds=60)
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, said
    assert not psutil.wait_procs(children, timeout=30)[1]
    assert [each.name for each in runs.iterdir()] == (["kept"] if is_kept else [])
    assert (str(runs) in said) == is_kept
    assert "Traceback" not in said
