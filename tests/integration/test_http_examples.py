"""Every example of docs/http-api.md does what the page says."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobworker.api.operation import operation_of
from jobworker.store.states import JobState
from tests.support.api_process import ApiProcess, running_api
from tests.support.examples import EXAMPLES, URL, Example
from tests.support.redis_server import RedisServer
from tests.support.routes import all_routes
from tests.support.supervisor_process import Workplace
from tests.support.waiting import wait_until

#: Tells the status, then the body, of whatever an example asks.
CURL = """curl() { command curl -sS --max-time 20 -w '%{stderr}status %{http_code}' "$@"; }\n"""


@pytest.fixture
def work(redis_server: RedisServer, tmp_path: Path) -> Iterator[Workplace]:
    workplace = Workplace(redis_server, tmp_path)
    workplace.start(workers=4).wait_for("ready")
    yield workplace
    workplace.close()


@pytest.fixture
def api(redis_server: RedisServer) -> Iterator[ApiProcess]:
    with running_api(redis_server.url) as process:
        yield process


def job_in(state: str, work: Workplace) -> str:
    """Return the id of a new job in that state."""
    match state:
        case "succeeded":
            return work.run("pid").id
        case "failed":
            return work.run("fails").id
        case "scheduled":
            return work.submit("pid", delay_ms=3_600_000)
        case _:
            return running_job(work)


def running_job(work: Workplace) -> str:
    job_id = work.submit("stays", {"path": str(work.folder / "marks")})
    wait_until(lambda: work.store.get(job_id).status is JobState.RUNNING, 20)
    return job_id


def run(example: Example, api: ApiProcess, job_id: str) -> tuple[int, str]:
    """Return what an example answers, asked of `api`."""
    script = CURL + example.command.replace(URL, f"http://127.0.0.1:{api.port}")
    done = subprocess.run(["bash", "-c", script], env={"ID": job_id, "PATH": "/usr/bin:/bin"}, capture_output=True)
    # What has no end is cut off, and curl says so, too.
    told = re.search(rb"status (\d+)", done.stderr)
    assert told, done.stderr
    return int(told[1]), done.stdout.decode(errors="replace")


def test_every_example_works(api: ApiProcess, work: Workplace) -> None:
    routes = all_routes()
    for (method, path), example in EXAMPLES.items():
        says = operation_of(routes[path], method)
        assert says is not None
        assert example.status in says.answers
        job_id = job_in(example.job, work) if "$ID" in example.command else ""
        status, body = run(example, api, job_id)
        assert status == example.status, f"{example.command}\n{status} {body}"
        assert bool(body) == (status != 204 and not path.endswith("/log")), example.command
