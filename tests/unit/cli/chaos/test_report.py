from collections import Counter

import pytest

from jobworker.cli.chaos.recovery import Recovery
from jobworker.cli.chaos.report import MOST_SENTENCES, show, show_faults
from jobworker.cli.chaos.schedule import KINDS
from jobworker.cli.chaos.trial import Options, Report
from jobworker.cli.chaos.verdict import Verdict

OPTIONS = Options(seed=7, seconds=60.0, supervisors=2, workers=4, rate=50.0, every=1.0)


def report(*lost: str, flaws: tuple[str, ...] = ()) -> Report:
    verdict = Verdict(
        accepted=2900, maybe=12, recovered=3, repeats=40, succeeded=2903, again=Counter(crashed=8), lost=[*lost]
    )
    again = [Recovery("killed worker: its job runs again", 8, 21.0, 48.0, 48.0, 2, 600.0)]
    return Report(OPTIONS, {"kill_worker": 10, "kill_api": 2}, verdict, again, 3.21, [], [*flaws])


def shown(found: Report, capsys: pytest.CaptureFixture[str]) -> list[str]:
    show(found)
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def test_the_faults_to_come_are_told_with_their_seed(capsys: pytest.CaptureFixture[str]) -> None:
    show_faults(OPTIONS)
    out = capsys.readouterr().out
    assert out.startswith("chaos with seed 7: 60 s, 2 supervisors of 4 workers, 50 jobs a second\n")
    assert len(out.splitlines()) == len(OPTIONS.faults()) + 3


def test_a_clean_run_says_what_it_counted(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(report(), capsys)
    for line in ("faults 12", "accepted (202) 2900", "run again: crashed 8", "lost 0", "Nothing was lost."):
        assert line in lines
    assert "unfinished after a drain of 3.2 s 0" in lines
    assert "killed worker: its job runs again 8 21 ms 48 ms 48 ms 2 600 ms" in lines
    assert sum(line.startswith("fault: ") for line in lines) == len(KINDS)


def test_what_is_wrong_is_said_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(report("job a was accepted, and there is no record of it"), capsys)
    assert lines[-2:] == ["job a was accepted, and there is no record of it", "This is not as promised."]
    many = [f"job {number}" for number in range(MOST_SENTENCES + 5)]
    assert "… and 5 more" in shown(report(*many), capsys)


@pytest.mark.parametrize(
    ("found", "is_clean"), [(report(), True), (report("job a"), False), (report(flaws=("a flaw",)), False)]
)
def test_a_loss_or_a_flaw_of_the_data_spoils_a_run(found: Report, is_clean: bool) -> None:
    assert found.is_clean is is_clean
