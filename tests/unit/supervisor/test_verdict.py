"""The verdict on a dead worker."""

import signal

import pytest

from jobworker.store.states import Outcome
from jobworker.supervisor.verdict import Intent, Verdict, judge, signal_name


def test_an_exit_code_is_told_in_words() -> None:
    expected = Verdict(Outcome.CRASHED, "exit code 3 before it reported", exit_code=3)
    assert judge(3 << 8, None) == expected


def test_also_exit_code_0_is_a_crash_for_it_came_before_the_report() -> None:
    assert judge(0, None) == Verdict(Outcome.CRASHED, "exit code 0 before it reported", exit_code=0)


def test_a_signal_is_told_by_its_name() -> None:
    assert judge(signal.SIGSEGV, None) == Verdict(Outcome.CRASHED, "SIGSEGV before it reported", signal="SIGSEGV")


def test_a_core_dump_is_still_the_signal() -> None:
    assert judge(signal.SIGABRT | 0x80, None).signal == "SIGABRT"


def test_a_kill_that_is_not_ours_says_who_may_have_sent_it() -> None:
    verdict = judge(signal.SIGKILL, None)
    assert (verdict.outcome, verdict.signal) == (Outcome.CRASHED, "SIGKILL")
    assert "a person, or the kernel's OOM killer" in verdict.message


@pytest.mark.parametrize("status", [signal.SIGKILL, signal.SIGTERM, 0, 1 << 8])
def test_what_we_intended_goes_before_how_it_died(status: int) -> None:
    intent = Intent(Outcome.TIMED_OUT, "at its deadline of 2 s")
    assert judge(status, intent) == Verdict(Outcome.TIMED_OUT, "killed at its deadline of 2 s", signal="SIGKILL")


def test_a_real_time_signal_has_a_name_too() -> None:
    assert signal_name(signal.SIGRTMIN + 3) == "SIGRTMIN+3"
    assert signal_name(signal.SIGRTMIN) == "SIGRTMIN"
