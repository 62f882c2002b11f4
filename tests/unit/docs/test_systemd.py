"""The units for systemd: accepted by systemd, and in step with the settings."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from jobworker.store.settings import ApiSettings, SupervisorSettings
from jobworker.supervisor.beacon import BEAT_SECONDS
from jobworker.supervisor.supervisor import DELIVERY_SECONDS

FOLDER = Path(__file__).resolve().parents[3] / "docs" / "systemd"
UNITS = sorted(FOLDER.glob("*.service"))


def values(unit: str) -> dict[str, str]:
    return dict(re.findall(r"^(\w+)=(.*)$", (FOLDER / unit).read_text(), re.MULTILINE))


def test_there_is_a_unit_for_each_part() -> None:
    assert [unit.name for unit in UNITS] == ["jobworker-api.service", "jobworker-supervisor.service"]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_has_nothing_to_say_about_it(unit: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    # It looks for the program, which lies elsewhere here.
    text = unit.read_text().replace("/opt/jobworker/bin/jobworker", sys.executable)
    copy = tmp_path / unit.name
    copy.write_text(text)
    command = ["systemd-analyze", "verify", "--man=no", str(copy)]
    verified = subprocess.run(command, capture_output=True, text=True, check=False)
    # It complains of an unknown key without failing, and of other units of this machine too.
    assert [line for line in verified.stderr.splitlines() if unit.name in line] == []


def test_the_supervisor_is_waited_for_until_it_has_drained() -> None:
    unit = values("jobworker-supervisor.service")
    assert int(unit["TimeoutStopSec"]) > SupervisorSettings().grace + DELIVERY_SECONDS
    assert (unit["Type"], unit["NotifyAccess"], unit["KillMode"]) == ("notify", "main", "mixed")
    assert int(unit["WatchdogSec"]) > 10 * BEAT_SECONDS


def test_the_api_is_waited_for_until_its_answers_have_ended() -> None:
    assert int(values("jobworker-api.service")["TimeoutStopSec"]) > ApiSettings().grace
