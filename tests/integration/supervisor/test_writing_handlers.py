"""docs/writing-handlers.md: every block of Python is run, by a real supervisor or by pytest."""

import re
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
import pytest

from jobworker.handlers import Job
from jobworker.handlers.declaration import Declaration
from jobworker.handlers.foreign.declaring import ExecTable, HttpTable
from jobworker.handlers.foreign.program import variables_of
from jobworker.handlers.limits import MAX_JSON_DEPTH, MAX_RESULT_BYTES
from jobworker.store.backoff import Backoff
from jobworker.store.job import JobRecord, JobSummary
from jobworker.store.listing import JobFilter
from tests.support.page import Page, quoted
from tests.support.supervisor_process import Workplace

PAGE: Final = Page("writing-handlers.md")


def files() -> Mapping[str, str]:
    """Return the files of the page: each block says in its first line into which it goes."""
    sources: dict[str, str] = {}
    for block in PAGE.blocks("python"):
        name = block.partition("\n")[0].removeprefix("# ")
        sources[name] = sources.get(name, "") + block
    return sources


def test_every_block_says_into_which_file_it_goes() -> None:
    assert files().keys() == {"work.py", "test_work.py"}


@pytest.mark.real
def test_every_job_of_the_page_comes_to_what_the_page_says(place: Workplace) -> None:
    (place.folder / "work.py").write_text(files()["work.py"])
    place.start().wait_for("ready")
    rows = [[quoted(cell)[0] for cell in row] for row in PAGE.rows("What they come to")]
    ids = [place.submit(kind, msgspec.json.decode(payload)) for kind, payload, *_ in rows]
    for (kind, _, status, told), job_id in zip(rows, ids, strict=True):
        job = place.end(job_id)
        assert job.status == status, job.error
        assert re.fullmatch(re.escape(told).replace("…", r"\d+"), came_to(job)), kind
    submitted = [record for record in listed(place) if record.id not in ids]
    assert sorted(str(record.type) for record in submitted) == ["report.write", "shop.order", "shop.order"]
    declared = set(re.findall(r'@handler\("([^"]+)"', files()["work.py"]))
    assert {row[0] for row in rows} == declared


def listed(place: Workplace) -> tuple[JobSummary, ...]:
    return tuple(place.store.list_jobs(JobFilter(), limit=200).jobs)


def came_to(job: JobRecord) -> str:
    return (job.result or b"").decode() if job.status == "succeeded" else job.reason or ""


@pytest.mark.real
def test_programs_come_to_what_the_page_says(place: Workplace) -> None:
    for block in (*PAGE.blocks("toml"), *PAGE.blocks("sh")):
        head, _, source = block.partition("\n")
        if head.startswith("# "):
            file = place.folder / head.removeprefix("# ")
            file.write_text(source)
            file.chmod(0o755)
    place.start("--config", str(place.folder / "jobworker.toml"), BILLING_TOKEN="x").wait_for("ready")
    rows = [[quoted(cell)[0] for cell in row] for row in PAGE.rows("What these come to")]
    for kind, payload, status, told in rows:
        job = place.run(kind, msgspec.json.decode(payload), backoff=Backoff(base=0.01))
        assert (job.status, came_to(job)) == (status, told), job.error
    ended = place.run("report.build", {"customer": "nobody"}, max_attempts=1)
    assert ended.error is not None
    said = msgspec.json.decode(PAGE.blocks("json")[-1])
    assert {"type": ended.error.type, "message": ended.error.message} == said


def test_every_key_of_a_program_and_a_service_is_told_and_no_other() -> None:
    told = {(quoted(key)[0], kind) for key, of, *_ in PAGE.rows("In any language") for kind in kinds(of)}
    tables = {"exec": ExecTable, "http": HttpTable}
    assert told == {(key, kind) for kind, table in tables.items() for key in table.__struct_fields__}


def kinds(cell: str) -> list[str]:
    return ["exec", "http"] if cell == "both" else quoted(cell)


def test_every_variable_that_tells_a_program_of_its_job_is_told_and_no_other() -> None:
    job = {"id": "1", "type": "t", "queue": "q", "attempt": 1, "max_attempts": 3, "fencing_token": 1}
    begun = msgspec.convert({**job, "created_at": datetime.now(UTC), "deadline_monotonic": 1.0}, Job)
    assert set(re.findall("`(JOBWORKER_JOB_[A-Z_]+)`", PAGE.section("Programs"))) == set(variables_of(begun))


def test_the_tests_of_the_page_pass(tmp_path: Path) -> None:
    for name, source in files().items():
        (tmp_path / name).write_text(source)
    command = [sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_work.py"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stdout
    assert f"{files()['test_work.py'].count('def test_')} passed" in ran.stdout


def test_every_option_of_a_declaration_is_told_and_no_other() -> None:
    assert {quoted(row[0])[0] for row in PAGE.rows("The declaration")} == set(Declaration.__struct_fields__)


def test_every_attribute_of_a_job_is_told_and_no_other() -> None:
    attributes = {quoted(row[0])[0] for row in PAGE.rows("The job")}
    properties = {"seconds_left", "progress", "log", "submit", "traceparent", "tracestate", "trace_headers"}
    assert attributes == {*Job.__struct_fields__, *properties} - {"tell_progress", "submissions", "trace"}


def test_the_limits_of_a_result_are_those_of_the_code() -> None:
    said = f"up to {MAX_RESULT_BYTES // 1024**2} MiB and {MAX_JSON_DEPTH} levels"
    assert said in " ".join(PAGE.text.split())


@pytest.mark.real
def test_a_job_over_its_memory_limit_looks_as_the_page_shows_it(place: Workplace) -> None:
    (place.folder / "work.py").write_text(files()["work.py"])
    place.start().wait_for("ready")
    (attempt,) = place.run("table.load", 400).attempts
    detail = attempt.detail
    assert detail.error is not None
    found = {
        "outcome": attempt.outcome,
        "killed_by": detail.killed_by,
        "signal": detail.signal,
        "error": {"type": detail.error.type, "message": re.sub(r"used \d+", "used 395", detail.error.message)},
    }
    (shown,) = (block for block in PAGE.blocks("json") if "memory_limit" in block)
    assert msgspec.json.decode(shown) == msgspec.to_builtins(found)
