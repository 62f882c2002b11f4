"""The handler of deliveries: what it sends, how it is signed, and what answers mean."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from jobworker.handlers import Fail, Retry, testing
from jobworker.handlers.builtin.webhook import DELIVERY_TYPE, Webhooks
from jobworker.handlers.errors import InvalidPayload, RequestFailed
from jobworker.handlers.registry import Registry
from tests.support.service import Service

SECRET, OTHER = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_" + "c2VjcmV0" * 4
ENDED = {
    "id": "019cb6c0-7c1a-7d3b-8f00-000000000001",
    "type": "resize",
    "queue": "images",
    "status": "failed",
    "tags": "customer=42 nightly",
    "attempt": 2,
    "created_ms": 1_769_850_000_123,
    "started_ms": 1_769_850_001_000,
    "ended_ms": 1_769_850_002_000,
    "error": {"type": "ValueError", "message": "no such luck", "traceback": "secret"},
    "result": None,
    "result_left_out": False,
}
LOCAL = Webhooks((SECRET,), allow_private=True)

Run = Callable[..., Any]


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    service.answer(204)
    yield service
    service.close()


@pytest.fixture
def run(service: Service) -> Run:
    def run(webhooks: Webhooks = LOCAL, job: Any = ENDED, trace: str = "") -> Any:
        registry = Registry()
        webhooks.declare(registry)
        payload = {"url": f"http://127.0.0.1:{service.port}/hook?a=1", "job": job}
        return testing.run(DELIVERY_TYPE, payload, registry=registry, timeout=15, trace=trace)

    return run


def test_what_is_sent_is_the_job_in_the_shape_of_standard_webhooks(run: Run, service: Service) -> None:
    assert run(trace="00-a-b-01") == {"status": 204}
    (asked,) = service.asked
    assert asked.path == "/hook?a=1"
    assert asked.headers["Content-Type"] == "application/json"
    assert asked.headers["traceparent"] == "00-a-b-01"
    assert json.loads(asked.body) == {
        "type": "job.failed",
        "timestamp": "2026-01-31T09:00:02.000Z",
        "data": {
            **{name: ENDED[name] for name in ("id", "type", "queue", "status", "attempt", "result", "result_left_out")},
            "tags": ["customer=42", "nightly"],
            "created_at": "2026-01-31T09:00:00.123Z",
            "started_at": "2026-01-31T09:00:01.000Z",
            "ended_at": "2026-01-31T09:00:02.000Z",
            "error": {"type": "ValueError", "message": "no such luck"},
        },
    }


def test_the_package_of_the_standard_verifies_it_while_secrets_are_changed(run: Run, service: Service) -> None:
    run()
    run(sending(secrets=(OTHER, SECRET)))
    run(sending(secrets=(OTHER,)))
    first, both, other = service.asked
    for asked in (first, both):
        Webhook(SECRET).verify(asked.body, asked.headers)
    for asked in (both, other):
        Webhook(OTHER).verify(asked.body, asked.headers)
    for asked, secret in ((first, OTHER), (other, SECRET)):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(asked.body, asked.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(first.body + b" ", first.headers)


def sending(**fields: Any) -> Webhooks:
    return Webhooks(**{"secrets": (SECRET,), "allow_private": True, **fields})


def test_each_attempt_is_signed_at_its_own_time(run: Run, service: Service) -> None:
    run(sending(clock=lambda: 1_700_000_000.9))
    assert service.asked[0].headers["webhook-timestamp"] == "1700000000"


def test_without_a_secret_nothing_is_sent_unless_that_is_allowed(run: Run, service: Service) -> None:
    with pytest.raises(RequestFailed, match=r"no webhooks\.secret to sign with"):
        run(sending(secrets=()))
    assert not service.asked
    run(sending(secrets=(), allow_unsigned=True))
    assert "webhook-signature" not in service.asked[0].headers
    assert "webhook-id" in service.asked[0].headers


@pytest.mark.parametrize("status", [301, 400, 404, 408, 429, 500, 503])
def test_every_answer_but_2xx_is_a_failed_attempt(run: Run, service: Service, status: int) -> None:
    service.answer(status, b"no", Location="http://127.0.0.1/")
    with pytest.raises(RequestFailed, match=f"^{status} .*no$"):
        run()
    assert len(service.asked) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured(run: Run, service: Service, status: int) -> None:
    service.answer(status, Retry_After="7")
    with pytest.raises(Retry) as caught:
        run()
    assert caught.value.after == 7


@pytest.mark.parametrize(("asked", "after"), [("0", 1), ("Wed, 21 Oct 2015 07:28:00 GMT", 1), ("99999999", 86_400)])
def test_a_receiver_can_neither_hurry_its_attempts_nor_put_them_off_for_ever(
    run: Run, service: Service, asked: str, after: float
) -> None:
    service.answer(503, Retry_After=asked)
    with pytest.raises(Retry) as caught:
        run()
    assert caught.value.after == after


def test_gone_is_the_end(run: Run, service: Service) -> None:
    service.answer(410)
    with pytest.raises(Fail, match="410 Gone"):
        run()


def test_an_address_that_only_we_can_reach_is_refused_also_behind_a_name(run: Run, service: Service) -> None:
    with pytest.raises(Fail, match="which is loopback"):
        run(sending(allow_private=False))
    assert not service.asked


def test_a_result_may_be_as_deep_as_any(run: Run, service: Service) -> None:
    deep = json.loads("[" * 64 + "]" * 64)
    run(job={**ENDED, "result": deep})
    assert json.loads(service.asked[0].body)["data"]["result"] == deep
    with pytest.raises(InvalidPayload, match="nested deeper than 66 levels"):
        run(job={**ENDED, "result": [deep]})


def test_a_job_that_never_started_has_no_start(run: Run, service: Service) -> None:
    run(job={**ENDED, "started_ms": None, "error": None, "status": "cancelled"})
    sent = msgspec.json.decode(service.asked[0].body)
    assert (sent["type"], sent["data"]["started_at"], sent["data"]["error"]) == ("job.cancelled", None, None)


def test_the_time_in_the_signature_is_now(run: Run, service: Service) -> None:
    run()
    sent_at = datetime.fromtimestamp(int(service.asked[0].headers["webhook-timestamp"]), UTC)
    assert abs(datetime.now(UTC) - sent_at) < timedelta(seconds=60)
