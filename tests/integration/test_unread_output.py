"""Processes whose output nobody reads, or can be written nowhere: they work on."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import pytest

from jobworker.cli.address import free_port
from jobworker.cli.errors import NotReachable
from jobworker.cli.http import ApiClient
from jobworker.store.ids import new_job_id
from jobworker.store.job import NewJob
from jobworker.store.jobs import JobStore
from jobworker.store.retention import Retention
from jobworker.store.settings import ClientSettings
from tests.support.command import Command
from tests.support.full_pipe import full_pipe
from tests.support.redis_server import RedisServer
from tests.support.up import Up
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real


#: Starts a command with neither stdin, stdout nor stderr.
WITHOUT_STREAMS = ("bash", "-c", 'exec "$@" <&- >&- 2>&-', "bash")


def run_jobs(server: RedisServer, count: int) -> None:
    """Return when so many jobs have been run."""
    store = JobStore.connect(server.url, timeout_seconds=2, prefix="jobworker", retention=Retention())
    jobs = [NewJob(new_job_id(), "echo", payload=b"1") for _ in range(count)]
    store.enqueue(jobs)
    wait_until(lambda: all(store.get(job.id).ended for job in jobs), 20)
    store.close()


def lives(client: ApiClient) -> bool:
    with suppress(NotReachable):
        return client.get("/livez") == {"status": "ok"}
    return False


@contextmanager
def broken_pipe() -> Iterator[int]:
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@contextmanager
def full_disk() -> Iterator[int]:
    with Path("/dev/full").open("w") as file:
        yield file.fileno()


@contextmanager
def unread_pipe() -> Iterator[int]:
    with full_pipe() as pipe:
        yield pipe.writer


def test_a_supervisor_whose_log_nobody_reads_runs_jobs_and_drains(redis_server: RedisServer, tmp_path: Path) -> None:
    options = ("--redis", redis_server.url, "--log-level", "debug", "--workers", "2")
    with unread_pipe() as pipe, Command.jobworker("supervisor", *options, directory=tmp_path, output=pipe) as it:
        run_jobs(redis_server, 50)
        it.signal(signal.SIGTERM)
        assert it.wait() == 0


def test_an_api_whose_log_nobody_reads_answers_and_drains(redis_server: RedisServer, tmp_path: Path) -> None:
    port = free_port()
    options = ("--redis", redis_server.url, "--log-level", "debug", "--listen", f"127.0.0.1:{port}")
    settings = ClientSettings(url=f"http://127.0.0.1:{port}")
    with (
        unread_pipe() as pipe,
        Command.jobworker("api", *options, directory=tmp_path, output=pipe) as it,
        ApiClient(settings) as client,
    ):
        wait_until(lambda: lives(client), 20)
        client.post("/jobs", {})
        it.signal(signal.SIGTERM)
        assert it.wait() == 0


@pytest.mark.parametrize("place", [unread_pipe, broken_pipe, full_disk])
def test_up_works_where_nothing_can_be_printed(
    place: Callable[[], AbstractContextManager[int]], tmp_path: Path
) -> None:
    with place() as output, Up(tmp_path, output=output) as up:
        run_one_and_drain(up)


def test_up_works_without_any_standard_stream(tmp_path: Path) -> None:
    with Up(tmp_path, prefix=WITHOUT_STREAMS) as up:
        run_one_and_drain(up)


def run_one_and_drain(up: Up) -> None:
    wait_until(lambda: lives(up.client), 20)
    up.wait_for_status(up.submit("echo", 1), "succeeded")
    assert up.drain() == 0
