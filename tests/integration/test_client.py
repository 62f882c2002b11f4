"""Both clients of `jobworker.client` against a real API and a real supervisor."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from jobworker.client import AsyncClient, Client, Conflict, Invalid, NotEnded, NotFound
from tests.support.api_process import running_api
from tests.support.redis_server import RedisServer
from tests.support.supervisor_process import Workplace

pytestmark = pytest.mark.real


@pytest.fixture
def url(own_server: RedisServer, tmp_path: Path) -> Iterator[str]:
    """Where an API answers, with a supervisor behind it."""
    place = Workplace(own_server, tmp_path)
    try:
        place.start().wait_for("ready")
        with running_api(own_server.url) as api:
            yield f"http://127.0.0.1:{api.port}"
    finally:
        place.close()


def test_a_job_from_its_submit_to_its_end(url: str) -> None:
    with Client(url) as client:
        job = client.submit("big", "hello", tags=["greeting"], key="once")
        assert client.submit("big", "hello", tags=["greeting"], key="once").id == job.id
        ended = client.wait(job.id, timeout_seconds=20)
        assert (ended.succeeded, ended.result, ended.tags) == (True, "hello", ("greeting",))
        assert [found.id for found in client.jobs(tag="greeting", page_size=1)] == [job.id]
        assert client.log(job.id) == []
        assert not client.retry(job.id).ended
        assert client.wait(job.id, timeout_seconds=20).succeeded
        client.delete(job.id)
        with pytest.raises(NotFound):
            client.get(job.id)


def test_what_is_refused_says_why(url: str) -> None:
    with Client(url) as client:
        with pytest.raises(Invalid, match="from 1 to 10") as caught:
            client.submit("big", "hello", priority=11)
        assert [pointer for pointer, _ in caught.value.errors] == ["/priority"]
        job = client.submit("big", "hello", delay=60)
        with pytest.raises(Conflict):
            client.retry(job.id)
        with pytest.raises(NotEnded):
            client.wait(job.id, timeout_seconds=0.05)
        assert client.cancel(job.id, "no longer wanted").status == "cancelled"


def test_waiting_hears_of_an_end_that_another_client_causes(url: str) -> None:
    with Client(url) as client, Client(url) as other:
        client.pause(reason="a test")
        job = client.submit("big", "hello")
        resume = Thread(target=other.resume)
        resume.start()
        assert client.wait(job.id, timeout_seconds=20).result == "hello"
        resume.join()


def test_many_jobs_at_once_in_one_event_loop(url: str) -> None:
    async def run() -> list[str]:
        async with AsyncClient(url) as client:
            jobs = await asyncio.gather(*(client.submit("big", str(number)) for number in range(20)))
            ended = await asyncio.gather(*(client.wait(job.id, timeout_seconds=20) for job in jobs))
            assert len([job async for job in client.jobs(type="big", page_size=7)]) == 20
            return [job.result for job in ended]

    assert asyncio.run(run()) == [str(number) for number in range(20)]
