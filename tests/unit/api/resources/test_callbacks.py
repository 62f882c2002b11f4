"""`callback` of POST /jobs, and what an answer shows of it."""

from typing import Any

import pytest

from jobworker.api.callback import CallbackRequest, Callbacks
from jobworker.api.errors import InvalidBody
from jobworker.store.callback import Callback
from jobworker.store.settings import Settings, WebhookSettings
from jobworker.store.states import JobState
from tests.support.redis_source import RedisSource
from tests.unit.api.conftest import Api

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
URL = "https://example.org/hook"
SIGNED = WebhookSettings(secret=(SECRET,))


@pytest.fixture
def signing(redis_source: RedisSource) -> Any:
    client = redis_source.connect()
    yield Api(client, Settings(webhooks=SIGNED))
    client.close()


def test_a_callback_is_shown_and_after_the_end_the_job_that_tells_it(signing: Api) -> None:
    job_id = signing.submit(callback={"url": URL, "events": ["failed", "cancelled"]})
    shown = {"url": URL, "events": ["failed", "cancelled"], "delivery_id": None, "status": None, "attempts": None}
    assert signing.get(f"/jobs/{job_id}").json["callback"] == shown
    signing.post(f"/jobs/{job_id}/cancel")
    found = signing.get(f"/jobs/{job_id}").json["callback"]
    delivery = signing.get(f"/jobs/{found['delivery_id']}").json
    assert (found["status"], found["attempts"]) == ("pending", 0)
    assert (delivery["type"], delivery["queue"]) == ("jobworker.webhook", "jobworker.webhooks")
    assert delivery["payload"]["job"]["id"] == job_id
    signing.post(f"/jobs/{found['delivery_id']}/cancel")
    assert signing.get(f"/jobs/{job_id}").json["callback"]["status"] == "cancelled"
    signing.delete(f"/jobs/{found['delivery_id']}")
    assert signing.get(f"/jobs/{job_id}").json["callback"]["status"] is None
    assert SECRET not in str(signing.client.hgetall(signing.keys.job(job_id)))


def test_a_job_without_a_callback_has_none_and_a_list_does_not_show_it(api: Api) -> None:
    assert api.get(f"/jobs/{api.submit()}").json["callback"] is None
    assert "callback" not in api.get("/jobs").json["items"][0]


def test_where_nothing_is_signed_a_callback_is_refused_with_what_to_do(api: Api) -> None:
    answer = api.post("/jobs", {"callback": {"url": URL}})
    assert answer.status == 422
    assert answer.json["errors"] == [
        {
            "pointer": "/callback",
            "detail": "webhooks cannot be signed here: set webhooks.secret, or webhooks.allow_unsigned",
        }
    ]
    assert api.get("/jobs").json["items"] == []


@pytest.mark.parametrize("events", [None, ["ended"], ["expired", "ended"]])
def test_all_ends_are_told_unless_some_are_named(events: Any) -> None:
    request = CallbackRequest(url=URL) if events is None else CallbackRequest(url=URL, events=tuple(events))
    callback = Callbacks(SIGNED).read(request)
    assert callback == Callback(URL)
    assert Callback.decode(callback.encode().encode()) == callback


def test_named_ends_come_in_one_order() -> None:
    callback = Callbacks(WebhookSettings(allow_unsigned=True)).read(
        CallbackRequest(url=URL, events=("failed", "succeeded"))
    )
    assert callback.events == (JobState.SUCCEEDED, JobState.FAILED)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1/", "which is loopback: webhooks.allow_private allows it"),
        ("http://169.254.169.254/latest", "link-local"),
        ("http://[::1]:80/", "loopback"),
        ("http://10.0.0.1/", "private"),
        ("https://user:secret@example.org/", "has a user in its url"),
        ("ftp://example.org/", "has no valid url"),
        ("https://example.org/a b", "has no valid url"),
        ('https://example.org/"', "write %22 or %5C"),
        ("https://example.org/\\", "write %22 or %5C"),
    ],
)
def test_a_url_that_will_not_do_is_refused(url: str, why: str) -> None:
    with pytest.raises(InvalidBody, match=why) as caught:
        Callbacks(SIGNED).read(CallbackRequest(url=url))
    assert "secret" not in str(caught.value)


def test_a_private_address_is_taken_where_that_is_allowed() -> None:
    allowing = Callbacks(WebhookSettings(secret=(SECRET,), allow_private=True))
    assert allowing.read(CallbackRequest(url="http://127.0.0.1/")).url == "http://127.0.0.1/"


@pytest.mark.parametrize("callback", [{}, {"url": ""}, {"url": URL, "events": []}, {"url": URL, "events": ["started"]}])
def test_what_is_no_callback_is_refused(signing: Api, callback: Any) -> None:
    assert signing.post("/jobs", {"callback": callback}).status == 422


@pytest.mark.parametrize("field", ["type", "queue"])
def test_our_own_names_are_nobody_else_s(api: Api, field: str) -> None:
    api.publish("jobworker.webhook")
    answer = api.post("/jobs", {field: "jobworker.webhook"})
    assert (answer.status, answer.json["errors"][0]["pointer"]) == (422, f"/{field}")
    assert api.get("/handlers").json["items"] == []
