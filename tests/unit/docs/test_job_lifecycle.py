"""docs/job-lifecycle.md and the code tell the same: states, outcomes, reasons, durations and defaults."""

import re
import signal
from pathlib import Path
from typing import Final

import pytest

import jobworker.store.scripts
from jobworker.store.backoff import Backoff
from jobworker.store.claims import Attempted, Unreadable
from jobworker.store.setting import SETTINGS
from jobworker.store.states import CRASHES, ENDED, FAILURES, TRANSITIONS, JobState, KilledBy, Outcome
from jobworker.supervisor.breaker import FIRST_HOLD_SECONDS, LONGEST_HOLD_SECONDS, RETURN_BATCH
from jobworker.supervisor.desk import CLEARING_SECONDS, LATE_START_SECONDS
from jobworker.supervisor.memory import SAMPLE_SECONDS
from jobworker.supervisor.oom import LOOK_SECONDS, NO_EVIDENCE, Evidence, Finding
from jobworker.supervisor.process import OOM_SCORE
from jobworker.supervisor.session import SWEEP_SECONDS
from jobworker.supervisor.settlement import UNHANDLED_SECONDS, set_aside
from jobworker.supervisor.verdict import Intent, judge
from tests.support.page import Page, quoted

PAGE: Final = Page("job-lifecycle.md")
ROOT: Final = Path(__file__).resolve().parents[3]
WORDS: Final = " ".join(PAGE.text.split())
LUA: Final = Path(jobworker.store.scripts.__file__).parent / "lua" / "includes"
SETTLE: Final = (LUA / "settle.lua").read_text()
FOLLOW_UPS: Final = (LUA / "followups.lua").read_text()
ENDING: Final = (LUA / "ending.lua").read_text()

Edges = set[tuple[str, str]]


def edges_of_the_code() -> Edges:
    return {(state, following) for state in TRANSITIONS for following in TRANSITIONS[state]}


def names(title: str) -> list[str]:
    return [quoted(row[0])[0] for row in PAGE.rows(title)]


def number(pattern: str, source: str) -> int:
    found = re.search(pattern, source)
    assert found, pattern
    return int(found[1])


def test_the_states_are_those_of_the_code_with_the_four_ends_last() -> None:
    assert names("States") == list(JobState)
    assert "The last four are ends." in WORDS
    assert set(names("States")[-4:]) == ENDED


def test_the_transitions_are_those_of_the_code() -> None:
    rows = [(quoted(row[0])[0], quoted(row[1])[0]) for row in PAGE.rows("Transitions")]
    assert set(rows) == edges_of_the_code()
    assert len(rows) == len(set(rows))


def test_the_diagram_shows_the_transitions_of_the_code() -> None:
    (diagram,) = PAGE.blocks("mermaid")
    kind, *arrows = diagram.splitlines()
    drawn = {tuple(arrow.partition(":")[0].split(" --> ")) for arrow in map(str.strip, arrows)}
    assert kind == "stateDiagram-v2"
    assert drawn == edges_of_the_code() | {("[*]", "pending"), ("[*]", "scheduled")}


def test_every_outcome_spends_the_budget_that_the_code_says() -> None:
    spent = dict.fromkeys(FAILURES, "`max_attempts`") | dict.fromkeys(CRASHES, "`max_crashes`")
    rows = {quoted(row[0])[0]: row[2] for row in PAGE.rows("Outcomes")}
    assert rows == {outcome: spent.get(outcome, "nothing") for outcome in Outcome}


def test_the_reasons_are_those_that_scripts_and_supervisors_write() -> None:
    hopeless = re.search(r"HOPELESS = \{(.*?)\}", SETTLE)
    assert hopeless
    written = {*re.findall(r"return 'failed', '(\w+)'", SETTLE), *re.findall(r"'(\w+)'", hopeless[1])}
    refused = re.findall(r"attempt\.reason.* = .*?'(follow_\w+)'", FOLLOW_UPS)
    damaged = set_aside(Unreadable(Attempted("id", 1), "why")).reason
    assert set(names("Reasons")) == {*written, *refused, damaged}


@pytest.mark.parametrize(("failures", "seconds"), PAGE.rows("Budgets and retries"))
def test_a_retry_waits_as_the_page_says(failures: str, seconds: str) -> None:
    assert Backoff(jitter=False).delay_ms(int(failures)) == 1000 * int(seconds)


def test_the_durations_are_those_of_the_code() -> None:
    unhandled_minutes = number(r"UNHANDLED_FOR_MS = (\d+)", SETTLE) // 60_000
    last_hours = number(r"keep_ms\(status, limits\) \+ (\d+)", ENDING) // 3_600_000
    for words in (
        f"again after 1 to {UNHANDLED_SECONDS:g} seconds, for {unhandled_minutes} minutes",
        f"for {unhandled_minutes} minutes no supervisor that claimed it",
        f"at most {LATE_START_SECONDS:g} second after the job was handed to it",
        f"its worker has up to {CLEARING_SECONDS:g} second more",
        f"After {FIRST_HOLD_SECONDS:g} seconds one job is tried.",
        f"twice as long, at most {LONGEST_HOLD_SECONDS:g} seconds",
        f"{RETURN_BATCH} in each tenth of a second",
        f"by a sweep every {SWEEP_SECONDS:g} seconds",
        f"drops a record by itself {last_hours} hour later",
        f"the last {number(r'count > ([0-9]+)', SETTLE)} attempts",
    ):
        assert words in WORDS


def test_the_defaults_and_ranges_are_those_of_the_settings() -> None:
    rows = {quoted(row[0])[0]: [quoted(row[1])[0], row[2]] for row in PAGE.rows("Defaults")}
    for name, row in rows.items():
        assert row == [SETTINGS[name].to_text(SETTINGS[name].default), SETTINGS[name].allowed], name
    assert rows.keys() >= {name for name in SETTINGS if name.startswith("jobs.")}
    assert set(re.findall(r"`((?:jobs|supervisor)\.\w+)`", PAGE.text)) <= rows.keys()


def causes() -> list[tuple[str, str | None, str]]:
    """Return outcome, killed_by and message of each row of the table of causes."""
    rows = PAGE.rows("Why an attempt ended")
    return [(quoted(row[1])[0], quoted(row[2])[0] if row[2] else None, quoted(row[3])[0]) for row in rows]


def test_why_a_worker_died_is_told_as_the_verdict_tells_it() -> None:
    findings = (Evidence(Finding.OOM_KILL, 1, 1), Evidence(Finding.NONE), Evidence(Finding.AMBIGUOUS, 1, 2))
    verdicts = [
        *(judge(signal.SIGKILL, None, evidence) for evidence in (*findings, NO_EVIDENCE)),
        *(judge(status, None) for status in (signal.SIGSEGV, 3 << 8)),
        *(judge(signal.SIGKILL, intent) for intent in INTENTS),
    ]
    told = [(outcome, killed_by, pattern_of(message)) for outcome, killed_by, message in causes()]
    for verdict in verdicts:
        found = [
            1
            for outcome, killed_by, message in told
            if (outcome, killed_by) == (verdict.outcome, verdict.killed_by) and message.fullmatch(verdict.message)
        ]
        assert found, verdict


#: As the desk, the pool and the settings word them; the tests of these compare the words.
INTENTS: Final = (
    Intent(Outcome.TIMED_OUT, "at its deadline of 2 s"),
    Intent(Outcome.OUT_OF_MEMORY, "because it used 150 MiB of memory, over its limit of 100 MiB"),
    Intent(Outcome.CANCELLED, "because api 127.0.0.1 cancelled the job: no longer wanted"),
    Intent(Outcome.CRASHED, "because its mailbox takes nothing"),
    Intent(Outcome.CRASHED, "for writing into its mailbox what is no report"),
)


def pattern_of(message: str) -> re.Pattern[str]:
    return re.compile(re.escape(message).replace("…", ".+"))


def test_that_attempts_never_overlap_is_said_only_of_one_supervisor() -> None:
    assert "As long as one supervisor has a job, never" in PAGE.section("When two attempts overlap")
    cases = " ".join(row[0] for row in PAGE.rows("When two attempts overlap"))
    # tests/integration/supervisor/test_troubles.py makes two overlap by the second of them.
    assert all(word in cases for word in ("cut off", "SIGSTOP", "paused", "killed with -9", "lost its last writes"))
    for page in (PAGE.text, (ROOT / "ARCHITECTURE.md").read_text(), (ROOT / "README.md").read_text()):
        flat = [sentence for sentence in re.split(r"[.:]\s", page) if "never overlap" in sentence]
        assert all("under one supervisor" in sentence for sentence in flat), flat


def test_everybody_who_may_kill_is_told() -> None:
    section = PAGE.section("Why an attempt ended")
    assert {word for word in KilledBy if f"`{word}`" in section} == set(KilledBy)
    assert {killed_by for _, killed_by, _ in causes()} - {None} <= set(KilledBy)


def test_the_pace_of_the_memory_limits_is_that_of_the_code() -> None:
    assert f"Every {SAMPLE_SECONDS:g} seconds, while an attempt with a limit runs" in WORDS
    assert f"in the last {2 * LOOK_SECONDS:g} seconds or so" in WORDS
    assert f"`oom_score_adj` {OOM_SCORE} higher" in WORDS
