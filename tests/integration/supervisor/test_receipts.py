"""What attempts cost that did not come to report, held against what their own processes say of themselves."""

from pathlib import Path
from typing import Final

import pytest

from jobworker.store.ids import new_job_id
from jobworker.store.job import Receipt
from jobworker.store.limits import MIB
from tests.support.supervisor_process import Workplace
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real

HANDLERS: Final = """
import os, resource, signal, subprocess, sys, time
from msgspec import Struct
from jobworker.handlers import handler

BURN = '''
import os, sys, time
while time.process_time() < 0.3: pass
os.close(os.open(sys.argv[1], os.O_CREAT))
time.sleep(600)
'''

class Work(Struct):
    path: str
    how: str = "hang"

@handler("burns.in.a.child", max_crashes=1)
def burns_in_a_child(work: Work):
    subprocess.Popen([sys.executable, "-ISc", BURN, work.path])
    while not os.path.exists(work.path): time.sleep(0.005)
    if work.how == "crash": os.kill(os.getpid(), signal.SIGSEGV)
    time.sleep(600)

@handler("burns", max_crashes=1)
def burns(work: Work):
    until = time.process_time() + 0.2
    while time.process_time() < until: pass
    os.close(os.open(work.path, os.O_CREAT))
    if work.how == "return": return
    if work.how == "crash": os._exit(3)
    time.sleep(600)

@handler("holds")
def holds(work: Work):
    memory = b"x" * (int(work.how) << 20)
    os.close(os.open(work.path, os.O_CREAT))
    time.sleep(600)

@handler("hangs", timeout=0.5, max_attempts=1)
def hangs(): time.sleep(600)

@handler("has.a.great.child")
def has_a_great_child(megabytes: int):
    subprocess.run([sys.executable, "-ISc", f"memory = b'x' * ({megabytes} << 20)"], check=True)
"""


@pytest.fixture
def work(place: Workplace, tmp_path: Path) -> Workplace:
    (tmp_path / "costly.py").write_text(HANDLERS)
    place.start("--handlers", str(tmp_path / "costly.py"), workers=1).wait_for("ready")
    return place


def cost(work: Workplace, kind: str, how: str) -> Receipt:
    """Return the receipt of the only attempt: it crashes by itself, or is cancelled when it has done its work."""
    path = work.folder / f"done-{new_job_id()}"
    job_id = work.submit(kind, {"path": str(path), "how": how})
    wait_until(path.exists, 30)
    if how not in ("crash", "return"):
        work.store.cancel(job_id)
    record = work.end(job_id)
    assert record.receipt is not None
    # The job has that of its last attempt, which is kept where it failed.
    assert [attempt.detail.receipt for attempt in record.attempts] == ([] if how == "return" else [record.receipt])
    return record.receipt


def cpu(receipt: Receipt) -> float:
    return receipt.cpu_user_seconds + receipt.cpu_system_seconds


@pytest.mark.parametrize("how", ["hang", "crash"])
def test_what_children_used_that_died_with_the_worker_is_counted(work: Workplace, how: str) -> None:
    receipt = cost(work, "burns.in.a.child", how)
    # The child has burnt 0.3 s when it says so; what is more is its start, and its parent's waiting.
    assert 0.3 <= cpu(receipt) < 0.6
    assert receipt.wall_seconds > 0.3


@pytest.mark.parametrize("how", ["hang", "crash"])
def test_what_earlier_jobs_of_the_worker_used_is_not_counted(work: Workplace, how: str) -> None:
    for _ in range(2):
        cost(work, "burns", "return")
    receipt = cost(work, "burns", how)
    assert 0.2 <= cpu(receipt) < 0.35
    assert receipt.wall_seconds >= 0.2


def test_time_that_was_slept_is_wall_and_not_cpu(work: Workplace) -> None:
    record = work.run("hangs")
    assert record.receipt is not None
    assert record.receipt.wall_seconds >= 0.5
    assert cpu(record.receipt) < 0.3


def test_the_peak_of_a_killed_job_is_its_own(work: Workplace) -> None:
    great, small = (cost(work, "holds", megabytes).peak_rss_bytes for megabytes in ("100", "0"))
    assert great is not None
    assert small is not None
    assert great > small + 90 * MIB


def test_the_peak_of_a_killed_job_is_unknown_after_a_greater_child_of_an_earlier_one(work: Workplace) -> None:
    work.run("has.a.great.child", 150)
    assert cost(work, "holds", "10").peak_rss_bytes is None
