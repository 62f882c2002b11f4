import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import psutil

from tests.support.command import Command, clean_environment, is_gone
from tests.support.waiting import wait_until

#: Runs until SIGTERM, and says so.
OBEDIENT = """
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
say("started", os.getpid())
signal.sigwait({signal.SIGTERM})
say("stopped")
"""
#: Needs to be told twice.
RELUCTANT = """
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
say("started", os.getpid())
signal.sigwait({signal.SIGTERM})
say("heard")
signal.sigwait({signal.SIGTERM})
say("stopped")
"""
#: Cannot be told.
DEAF = """
signal.signal(signal.SIGTERM, lambda *_: say("ignored"))
say("started", os.getpid())
while True: signal.pause()
"""


def part(name: str, program: str = OBEDIENT, **more: Any) -> dict[str, Any]:
    return {"name": name, "program": program, **more}


def troupe(directory: Path, *parts: dict[str, Any]) -> Command:
    command = [sys.executable, "-m", "tests.unit.cli.troupe", json.dumps(parts)]
    root = str(Path(__file__).parents[3])
    return Command(command, directory, clean_environment(PYTHONPATH=root))


def pid_of(command: Command, name: str) -> int:
    """Return the pid that a part has said last."""
    return next(
        int(line.split()[-1]) for line in reversed(command.out.splitlines()) if line.startswith(f"{name} started")
    )


def without_pids(command: Command) -> list[str]:
    return [" ".join(line.split()[:2]) for line in command.out.splitlines()]


def test_parts_start_in_order_and_stop_in_reverse(tmp_path: Path) -> None:
    with troupe(tmp_path, part("a"), part("b"), part("c")) as up:
        for name in "abc":
            up.wait_for(f"{name} started")
        up.signal(signal.SIGTERM)
        assert up.wait() == 0
        assert without_pids(up)[-3:] == ["c stopped", "b stopped", "a stopped"]
        assert up.err == "jobworker: draining; once more hurries\n"


def test_the_next_part_waits_until_the_last_is_ready(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    with troupe(tmp_path, part("a", ready_file=str(ready)), part("b")) as up:
        up.wait_for("a started")
        assert "b started" not in up.out
        ready.touch()
        up.wait_for("b started")
        up.wait_for("all ready")


def test_ctrl_c_and_a_closed_terminal_drain_too(tmp_path: Path) -> None:
    for number in (signal.SIGINT, signal.SIGHUP):
        with troupe(tmp_path, part("a")) as up:
            up.wait_for("a started")
            up.signal(number)
            assert up.wait() == 0
            assert "a stopped" in up.out


def test_a_closed_terminal_drains_however_often_it_says_so_and_sigquit_hurries(tmp_path: Path) -> None:
    with troupe(tmp_path, part("a", RELUCTANT)) as up:
        up.wait_for("a started")
        up.signal(signal.SIGHUP)
        up.wait_for("a heard")
        up.signal(signal.SIGHUP)
        # It is taken after the signal before it, and has asked for nothing.
        os.kill(pid_of(up, "a"), signal.SIGTERM)
        up.wait_for("a stopped")
        assert up.wait() == 0
    with troupe(tmp_path, part("a", RELUCTANT)) as up:
        up.wait_for("a started")
        up.signal(signal.SIGQUIT)
        assert up.wait() == 0
        assert without_pids(up)[-1] == "a stopped"


def test_a_part_that_dies_is_started_again(tmp_path: Path) -> None:
    with troupe(tmp_path, part("a"), part("b")) as up:
        up.wait_for("b started")
        up.wait_for("all ready")
        up.wait_for("a started")
        os.kill(pid_of(up, "a"), signal.SIGKILL)
        up.wait_for("a started", times=2)
        assert "killed by SIGKILL" in up.err
        up.signal(signal.SIGTERM)
        assert up.wait() == 0
        assert up.out.count("b started") == 1


def test_a_start_that_fails_ends_everything_and_only_the_part_has_spoken(tmp_path: Path) -> None:
    failing = 'os.write(2, b"jobworker: the port is in use\\n"); sys.exit(1)'
    never = str(tmp_path / "never")
    with troupe(tmp_path, part("a"), part("b", failing), part("c", ready_file=never)) as up:
        assert up.wait() == 1
        assert up.err == "jobworker: the port is in use\n"
        assert "all ready" not in up.out
        assert up.out.count("a started") <= 1


def test_a_start_that_fails_without_a_word_is_explained(tmp_path: Path) -> None:
    never = str(tmp_path / "never")
    with troupe(tmp_path, part("a", "os.kill(os.getpid(), signal.SIGKILL)", ready_file=never)) as up:
        assert up.wait() == 1
        assert up.err == "jobworker: the a did not start: killed by SIGKILL\n"


def test_a_signal_while_starting_ends_what_was_started(tmp_path: Path) -> None:
    with troupe(tmp_path, part("a"), part("b", ready_file=str(tmp_path / "never"))) as up:
        up.wait_for("a started")
        up.wait_for("b started")
        up.signal(signal.SIGTERM)
        assert up.wait() == 0
        assert without_pids(up)[-2:] == ["b stopped", "a stopped"]


def test_a_second_signal_is_passed_on(tmp_path: Path) -> None:
    with troupe(tmp_path, part("a"), part("b", RELUCTANT)) as up:
        up.wait_for("b started")
        up.wait_for("a started")
        up.signal(signal.SIGTERM)
        up.wait_for("b heard")
        up.signal(signal.SIGINT)
        assert up.wait() == 0
        assert without_pids(up)[-2:] == ["b stopped", "a stopped"]


def test_what_does_not_end_in_time_is_killed_and_the_rest_drains(tmp_path: Path) -> None:
    with troupe(tmp_path, part("a"), part("b", DEAF, patience_seconds=0.2)) as up:
        up.wait_for("b started")
        up.wait_for("a started")
        up.signal(signal.SIGTERM)
        assert up.wait() == 1
        assert "part did not end in time; it is killed" in up.err
        assert "a stopped" in up.out


def test_what_the_last_part_needs_is_kept_alive_while_it_drains(tmp_path: Path) -> None:
    with troupe(tmp_path, part("a"), part("b", RELUCTANT)) as up:
        up.wait_for("b started")
        up.wait_for("a started")
        up.signal(signal.SIGTERM)
        up.wait_for("b heard")
        os.kill(pid_of(up, "a"), signal.SIGKILL)
        up.wait_for("a started", times=2)
        up.signal(signal.SIGTERM)
        assert up.wait() == 0


def test_when_up_is_killed_its_parts_get_sigterm(tmp_path: Path) -> None:
    with troupe(tmp_path, part("a"), part("b")) as up:
        up.wait_for("a started")
        up.wait_for("b started")
        parts = up.descendants()
        assert len(parts) == 2
        up.signal(signal.SIGKILL)
        up.wait()
        wait_until(lambda: all(map(is_gone, parts)))
        assert {"a stopped", "b stopped"} <= set(up.out.splitlines())


def test_a_part_has_a_session_of_its_own_and_no_blocked_signals(tmp_path: Path) -> None:
    with troupe(tmp_path, part("a", 'say("started", os.getpid()); signal.pause()')) as up:
        up.wait_for("a started")
        pid = pid_of(up, "a")
        assert os.getsid(pid) == pid
        status = Path(f"/proc/{pid}/status").read_text()
        assert "SigBlk:\t0000000000000000" in status


def test_what_was_ignored_at_the_start_stays_ignored(tmp_path: Path) -> None:
    with troupe(tmp_path, part("a")) as sample:
        sample.wait_for("a started")
        command = ["nohup", *psutil.Process(sample.process.pid).cmdline()]
    (tmp_path / "b").mkdir()
    with Command(command, tmp_path / "b", clean_environment(PYTHONPATH=str(Path(__file__).parents[3]))) as up:
        up.wait_for("a started")
        up.signal(signal.SIGHUP)
        up.signal(signal.SIGTERM)
        assert up.wait() == 0
        assert up.err.count("draining") == 1
