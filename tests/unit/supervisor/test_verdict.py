"""The verdict on a dead worker."""

import signal

import pytest

from jobworker.store.states import CRASHES, FAILURES, FREE, KilledBy, Outcome
from jobworker.supervisor.oom import NO_EVIDENCE, Evidence, Finding
from jobworker.supervisor.verdict import Intent, Verdict, judge, signal_name, was_shot


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
    verdict = judge(signal.SIGKILL, None, NO_EVIDENCE)
    assert (verdict.outcome, verdict.signal) == (Outcome.CRASHED, "SIGKILL")
    assert "a person, or the kernel's OOM killer" in verdict.message


def test_where_nobody_has_looked_for_evidence_nothing_is_said_of_it() -> None:
    assert judge(signal.SIGKILL, None).message == "SIGKILL before it reported, sent by the job itself or from outside"


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (signal.SIGKILL, "SIGKILL while it had no job, sent from outside"),
        (signal.SIGSEGV, "SIGSEGV while it had no job"),
        (3 << 8, "exit code 3 while it had no job"),
    ],
)
def test_who_had_no_job_is_not_said_to_have_owed_a_report(status: int, message: str) -> None:
    assert judge(status, None, doing="while it had no job").message == message


@pytest.mark.parametrize("status", [signal.SIGKILL, signal.SIGTERM, 0, 1 << 8])
def test_what_we_intended_goes_before_how_it_died(status: int) -> None:
    verdict = judge(status, Intent(Outcome.TIMED_OUT, "at its deadline of 2 s"))
    assert (verdict.outcome, verdict.message) == (Outcome.TIMED_OUT, "killed at its deadline of 2 s")
    assert verdict.killed_by is KilledBy.DEADLINE


def test_the_fields_say_what_was_found_also_of_what_we_intended() -> None:
    intent = Intent(Outcome.CANCELLED, "because a client cancelled the job")
    killed, exited = judge(signal.SIGKILL, intent), judge(3 << 8, intent)
    assert (killed.signal, killed.exit_code) == ("SIGKILL", None)
    assert (exited.signal, exited.exit_code) == (None, 3)


@pytest.mark.parametrize(
    "outcome", {*CRASHES, *FREE, *FAILURES, Outcome.CANCELLED} - {Outcome.RAISED, Outcome.RECALLED, Outcome.HELD}
)
def test_every_intent_names_on_whose_account_it_is(outcome: Outcome) -> None:
    assert Intent(outcome, "").killed_by in KilledBy


def test_a_kill_that_the_kernel_has_counted_is_its_own() -> None:
    verdict = judge(signal.SIGKILL, None, Evidence(Finding.OOM_KILL, 1, 1))
    assert (verdict.outcome, verdict.killed_by) == (Outcome.OUT_OF_MEMORY, KilledBy.OOM_KILLER)
    assert verdict.message == "killed by the kernel's OOM killer (the cgroup counted one more oom_kill)"
    assert verdict.signal == "SIGKILL"


@pytest.mark.parametrize("finding", set(Finding) - {Finding.OOM_KILL})
def test_what_nobody_knows_is_said_so_and_stays_a_crash(finding: Finding) -> None:
    verdict = judge(signal.SIGKILL, None, Evidence(finding, 1, 2))
    assert (verdict.outcome, verdict.signal, verdict.killed_by) == (Outcome.CRASHED, "SIGKILL", None)
    assert verdict.message.startswith("SIGKILL before it reported, sent by the job itself or from outside (")


def test_only_a_sigkill_that_was_not_ours_may_be_the_kernels() -> None:
    intent = Intent(Outcome.CANCELLED, "")
    assert was_shot(signal.SIGKILL, None)
    assert not was_shot(signal.SIGKILL, intent)
    assert not was_shot(signal.SIGTERM, None)
    assert not was_shot(9 << 8, None)


def test_a_real_time_signal_has_a_name_too() -> None:
    assert signal_name(signal.SIGRTMIN + 3) == "SIGRTMIN+3"
    assert signal_name(signal.SIGRTMIN) == "SIGRTMIN"
