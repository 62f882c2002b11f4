"""The end of a job is told by HTTP: once it is in Redis, whatever happens to those who deliver it."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from standardwebhooks import Webhook

from jobworker.handlers.builtin.webhook import DELIVERY_TYPE
from jobworker.store.callback import DELIVERY_QUEUE, Callback
from jobworker.store.job import JobRecord
from jobworker.store.listing import JobFilter
from tests.support.command import Command
from tests.support.service import Asked, Service
from tests.support.supervisor_process import Workplace
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SENDING: dict[str, Any] = {"JOBWORKER_WEBHOOKS_SECRET": SECRET, "JOBWORKER_WEBHOOKS_ALLOW_PRIVATE": "true"}
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def receiver() -> Iterator[Service]:
    service = Service()
    service.answer(204)
    yield service
    service.close()


def start(place: Workplace, *options: str, **more: Any) -> Command:
    command = place.start(*options, **{**SENDING, **more})
    command.wait_for("ready")
    return command


def callback(port: int) -> Callback:
    return Callback(f"http://127.0.0.1:{port}/hook")


def delivery_of(place: Workplace, job_id: str) -> JobRecord:
    delivery_id = place.end(job_id).delivery_id
    assert delivery_id is not None
    return place.store.get(delivery_id)


def received(service: Service) -> Asked:
    wait_until(lambda: service.asked, 30)
    (asked,) = service.asked
    return asked


def verified(asked: Asked) -> Any:
    return Webhook(SECRET).verify(asked.body, asked.headers)


def test_an_end_is_told_signed_and_with_its_trace(place: Workplace, receiver: Service) -> None:
    start(place)
    job_id = place.submit("coroutine", 4, callback=callback(receiver.port), trace=TRACE)
    asked = received(receiver)
    message = verified(asked)
    assert (message["type"], message["data"]["id"], message["data"]["result"]) == ("job.succeeded", job_id, 5)
    delivery = place.end(delivery_of(place, job_id).id)
    assert asked.headers["webhook-id"] == delivery.id
    assert asked.headers["traceparent"][:35] == TRACE[:35]
    assert (delivery.status, delivery.result) == ("succeeded", b'{"status":204}')
    assert (delivery.max_attempts, delivery.type) == (None, DELIVERY_TYPE)


def test_the_secret_is_neither_in_redis_nor_in_the_environment_of_jobs(place: Workplace, receiver: Service) -> None:
    (place.folder / "work.py").write_text(
        "import os\nfrom jobworker.handlers import handler\n@handler\ndef environ(): return dict(os.environ)\n"
    )
    start(place)
    job = place.run("environ", callback=callback(receiver.port))
    place.end(delivery_of(place, job.id).id)
    assert b"whsec_" not in (job.result or b"")
    dumped = [place.client.dump(key) for key in place.client.scan_iter()]
    assert dumped
    assert not any(b"whsec_" in (value or b"") for value in dumped)


def test_whoever_serves_other_queues_delivers_too(place: Workplace, receiver: Service) -> None:
    start(place, "--queue", "images")
    place.submit("pid", queue="images", callback=callback(receiver.port))
    assert verified(received(receiver))["type"] == "job.succeeded"


def test_a_receiver_that_is_down_is_told_when_it_is_up(place: Workplace) -> None:
    down = Service()
    down.close()
    start(place)
    job_id = place.submit("raises", max_attempts=1, callback=callback(down.port))
    wait_until(lambda: delivery_of(place, job_id).failures == 1, 20)
    up = Service(port=down.port)
    up.answer(200)
    try:
        asked = received(up)
    finally:
        up.close()
    data = verified(asked)["data"]
    assert data["error"] == {"type": "ValueError", "message": "no such luck"}
    delivery = place.end(delivery_of(place, job_id).id)
    assert asked.headers["webhook-id"] == delivery.id
    assert "cannot be spoken to" in str(delivery.attempts[0].detail.error)


def test_a_supervisor_that_is_killed_between_the_end_and_its_delivery_loses_none(
    place: Workplace, receiver: Service
) -> None:
    first = start(place)
    place.store.pause(DELIVERY_QUEUE, who="the test")
    jobs = [place.submit("pid", callback=callback(receiver.port)) for _ in range(5)]
    for job_id in jobs:
        place.end(job_id)
    first.process.send_signal(signal.SIGKILL)
    first.process.wait()
    assert not receiver.asked
    place.store.resume(DELIVERY_QUEUE)
    start(place)
    for job_id in jobs:
        assert place.end(delivery_of(place, job_id).id).status == "succeeded"
    assert sorted(verified(asked)["data"]["id"] for asked in receiver.asked) == sorted(jobs)
    assert len(place.store.list_jobs(JobFilter(type=DELIVERY_TYPE), limit=50).jobs) == 5


def test_a_supervisor_without_the_secret_leaves_it_to_one_that_has_it(
    place: Workplace, receiver: Service, tmp_path: Path
) -> None:
    start(place, JOBWORKER_WEBHOOKS_SECRET="")
    job_id = place.submit("pid", callback=callback(receiver.port))
    wait_until(lambda: delivery_of(place, job_id).failures == 1, 20)
    assert "webhooks.secret" in str(delivery_of(place, job_id).attempts[0].detail.error)
    place.commands[-1].__exit__()
    secret = tmp_path / "secret"
    secret.write_text(f"{SECRET}\n")
    environ = {**SENDING, "JOBWORKER_WEBHOOKS_SECRET_FILE": str(secret)}
    del environ["JOBWORKER_WEBHOOKS_SECRET"]
    place.start(name="two", **environ).wait_for("ready")
    assert verified(received(receiver))["data"]["id"] == job_id
    assert msgspec.json.decode(place.end(delivery_of(place, job_id).id).result or b"") == {"status": 204}
