"""With API keys: who is let in, for what, and what the others are told."""

import time
from collections.abc import Callable
from typing import Any

import pytest
import redis

from jobworker.api import keyring
from jobworker.api.authentication import Authentication
from jobworker.api.keyring import Keyring
from jobworker.api.strikes import MOST_STRIKES
from jobworker.store.apikeys import ApiKeys
from jobworker.store.errors import StoreUnavailable
from jobworker.store.settings import ApiSettings, Settings
from tests.support.reply import Reply
from tests.unit.api.conftest import Api

JSON = {"Content-Type": "application/json"}


@pytest.fixture(autouse=True)
def _nothing_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis is asked each time."""
    monkeypatch.setattr(keyring, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr(keyring, "ABSENT_SECONDS", 0.0)


@pytest.fixture
def make_token(api: Api) -> Callable[..., str]:
    def make(*scopes: str, name: str = "somebody") -> str:
        return api.store.api_keys.create(name, scopes)[1]

    return make


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def ask(api: Api, method: str, path: str, token: str, body: bytes | None = None) -> Reply:
    return api.request(method, path, body, {**bearer(token), **(JSON if body else {})})


def test_as_soon_as_there_is_a_key_requests_need_one(api: Api, make_token: Callable[..., str]) -> None:
    assert api.post("/jobs").status == 202
    make_token("read")
    answer = api.post("/jobs")
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="jobworker"'
    assert "this needs an API key" in answer.json["detail"]


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_what_is_open_stays_open(api: Api, make_token: Callable[..., str], path: str) -> None:
    make_token("read")
    assert api.get(path).status == 200


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [
        ("enqueue", {"POST /jobs"}),
        ("read", {"GET /jobs", "HEAD /jobs", "GET /queues"}),
        ("operate", {"POST /jobs/pause"}),
        ("admin", {"POST /jobs", "GET /jobs", "HEAD /jobs", "GET /queues", "POST /jobs/pause"}),
    ],
)
def test_a_key_is_good_for_its_scopes_alone(
    api: Api, make_token: Callable[..., str], scope: str, allowed: set[str]
) -> None:
    token = make_token(scope)
    for request in ("POST /jobs", "GET /jobs", "HEAD /jobs", "GET /queues", "POST /jobs/pause"):
        method, path = request.split()
        answer = ask(api, method, path, token)
        assert (answer.status < 300) == (request in allowed), request
        if request not in allowed:
            assert answer.status == 403
            assert 'error="insufficient_scope", scope="' in answer.headers["WWW-Authenticate"]


def test_who_lacks_a_scope_is_told_which(api: Api, make_token: Callable[..., str]) -> None:
    answer = ask(api, "POST", "/jobs/pause", make_token("read", "enqueue", name="ann"))
    assert answer.json["detail"] == "this needs a key with scope operate; ann has read, enqueue"


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Basic eDp5",
        "jw_0123456789ab_" + "0" * 48,
        "Bearer jw_0123456789ab_" + "0" * 48,
    ],
)
def test_any_other_token_is_401(api: Api, make_token: Callable[..., str], authorization: str) -> None:
    make_token("admin")
    assert api.get("/jobs", headers={"Authorization": authorization}).status == 401


def test_a_wrong_secret_is_an_invalid_token(api: Api, make_token: Callable[..., str]) -> None:
    token = make_token("admin")
    answer = ask(api, "GET", "/jobs", token[:-1] + ("0" if token[-1] != "0" else "1"))
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="jobworker", error="invalid_token"'


def test_a_revoked_key_is_let_in_no_more_and_the_api_stays_closed(api: Api, make_token: Callable[..., str]) -> None:
    token = make_token("admin")
    [key_id] = api.store.api_keys.all()
    assert ask(api, "GET", "/jobs", token).status == 200
    api.store.api_keys.revoke(key_id)
    assert ask(api, "GET", "/jobs", token).status == 401
    assert api.get("/jobs").status == 401
    api.store.api_keys.forget()
    assert api.get("/jobs").status == 200


def test_an_expired_key_is_let_in_no_more(api: Api) -> None:
    _, token = api.store.api_keys.create("short", ("read",), -1)
    assert ask(api, "GET", "/jobs", token).status == 401


def test_with_keys_neither_host_nor_origin_matter_for_no_page_has_a_key(
    api: Api, make_token: Callable[..., str]
) -> None:
    headers = {**bearer(make_token("read")), "Origin": "https://other.example", "Sec-Fetch-Site": "cross-site"}
    assert api.get("/jobs", headers=headers, host="jobs.example.com").status == 200


def test_a_token_that_nobody_asked_for_lets_no_page_in(api: Api) -> None:
    headers = {**bearer("jw_0123456789ab_" + "0" * 48), "Origin": "https://evil.example"}
    assert api.get("/jobs", headers=headers).status == 403


def test_who_asked_is_the_key(api: Api, make_token: Callable[..., str]) -> None:
    token = make_token("operate", "read", name="night-shift")
    assert ask(api, "POST", "/jobs/pause", token, b'{"queue": "mail"}').status == 200
    [key_id] = api.store.api_keys.all()
    assert b"night-shift (key %s)" % key_id.encode() in api.client.hgetall(api.keys.paused)[b"mail"]


def test_two_clients_may_use_the_same_idempotency_key(api: Api, make_token: Callable[..., str]) -> None:
    tokens = [make_token("enqueue", name=name) for name in "ab"]

    def submit(token: str) -> Any:
        return api.request("POST", "/jobs", None, {**bearer(token), "Idempotency-Key": "order-1"}).json["id"]

    first, second = map(submit, tokens)
    assert first != second
    assert [submit(token) for token in tokens] == [first, second]


@pytest.mark.parametrize(
    "settings", [ApiSettings(auth="required"), ApiSettings(listen="0.0.0.0:8080"), ApiSettings(listen="[::]:0")]
)
def test_keys_may_be_needed_before_there_is_one(redis_client: redis.Redis, settings: ApiSettings) -> None:
    api = Api(redis_client, Settings(api=settings))
    assert api.get("/jobs").status == 401
    assert api.get("/livez", host="jobs.example.com").status == 200
    _, token = api.store.api_keys.create("first", ("read",))
    assert ask(api, "GET", "/jobs", token).status == 200


def test_no_auth_beyond_loopback_needs_none_until_there_is_one(redis_client: redis.Redis) -> None:
    api = Api(redis_client, Settings(api=ApiSettings(listen="0.0.0.0:8080", no_auth=True)))
    assert api.get("/jobs").status == 200
    api.store.api_keys.create("first", ("read",))
    assert api.get("/jobs").status == 401


def test_while_redis_is_away_no_key_is_believed(api: Api, make_token: Callable[..., str]) -> None:
    token = make_token("admin")
    assert ask(api, "GET", "/jobs", token).status == 200
    api.lose_redis("test")
    assert ask(api, "GET", "/jobs", token).status == 503
    assert api.get("/jobs").status == 503
    assert api.get("/livez").status == 200


def test_an_api_that_has_never_seen_redis_lets_nobody_in(api: Api) -> None:
    api.lose_redis("test")
    assert api.post("/jobs", {"priority": 11}).status == 503


def test_who_fails_too_often_is_told_to_wait_and_others_are_not(api: Api, make_token: Callable[..., str]) -> None:
    token = make_token("read")
    assert [api.get("/jobs").status for _ in range(MOST_STRIKES)] == [401] * MOST_STRIKES
    answer = api.get("/jobs")
    assert (answer.status, answer.headers["Retry-After"]) == (429, "10")
    assert ask(api, "GET", "/jobs", token).status == 200


@pytest.mark.parametrize(("method", "path"), [("PUT", "/jobs"), ("GET", "/nowhere"), ("OPTIONS", "/jobs")])
def test_what_nobody_answers_is_told_without_a_key(
    api: Api, make_token: Callable[..., str], method: str, path: str
) -> None:
    make_token("read")
    assert api.request(method, path).status in (404, 405, 200)


def test_what_says_nothing_of_itself_is_for_administrators(api: Api, make_token: Callable[..., str]) -> None:
    class Unsaid:
        def on_get(self) -> None: ...

    ring = Keyring(api.store.api_keys, api.available, required=False)
    token = make_token("read", "operate", "enqueue")
    request: Any = type("Request", (), {"method": "GET", "get_header": lambda _self, _name: f"Bearer {token}"})()
    response: Any = type("Response", (), {"set_header": lambda *_: None})()
    gate = Authentication(ring, None, None)  # type: ignore[arg-type]
    with pytest.raises(Exception, match="scope admin"):
        gate.process_resource(request, response, Unsaid(), {})


class TestKeyring:
    """Redis is asked at most once a second; a revoked key is good for no longer than that."""

    @pytest.fixture(autouse=True)
    def _as_it_is(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(keyring, "FRESH_SECONDS", 1.0)
        monkeypatch.setattr(keyring, "ABSENT_SECONDS", 0.1)

    def test_it_reads_once_a_second_and_for_unknown_ids_ten_times(self, api: Api) -> None:
        now, reads = [0.0], []

        class Counted(ApiKeys):
            def all(self) -> Any:
                reads.append(now[0])
                return super().all()

        kept = Counted(api.client, api.keys)
        ring = Keyring(kept, api.available, required=False, clock=lambda: now[0], wall_clock=time.time)
        key, token = kept.create("a", ("read",))
        for now[0] in (0.0, 0.05, 0.5, 0.99):
            assert ring.is_closed()
            assert ring.find(token) is not None
        assert reads == [0.0]
        kept.revoke(key.id)
        assert ring.find(token) is not None
        now[0] = 1.0
        assert ring.find(token) is None
        assert reads == [0.0, 1.0]
        other, second = kept.create("b", ("read",))
        assert other is not None
        for now[0] in (1.05, 1.1, 1.15):
            ring.find("jw_0123456789ab_" + "0" * 48)
        assert reads == [0.0, 1.0, 1.1]
        assert ring.find(second) is not None

    def test_what_was_valid_when_redis_went_away_is_believed_for_no_longer(self, api: Api) -> None:
        now = [0.0]
        ring = Keyring(api.store.api_keys, api.available, required=False, clock=lambda: now[0])
        _, token = api.store.api_keys.create("a", ("read",))
        assert ring.find(token) is not None
        api.lose_redis("test")
        assert ring.find(token) is not None
        now[0] = 1.0
        with pytest.raises(StoreUnavailable):
            ring.find(token)
        with pytest.raises(StoreUnavailable):
            ring.is_closed()
