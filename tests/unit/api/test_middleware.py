"""Around every request: its id, the common headers, who may ask."""

from collections.abc import Callable
from typing import Any

import pytest
import redis

from jobworker.api.middleware import LONGEST_WAIT_SECONDS
from jobworker.store.settings import ApiSettings, Settings
from tests.unit.api.conftest import Api


@pytest.fixture
def make_api(redis_client: redis.Redis) -> Callable[..., Api]:
    def make(**settings: Any) -> Api:
        return Api(redis_client, Settings(api=ApiSettings(**settings)))

    return make


@pytest.mark.parametrize("path", ["/livez", "/nope", "/jobs"])
def test_every_answer_has_the_common_headers(api: Api, path: str) -> None:
    headers = api.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["Content-Length"]
    assert headers["X-Request-Id"]


@pytest.mark.parametrize("request_id", ["a", "0-9._Z", "x" * 64])
def test_a_sane_request_id_is_kept(api: Api, request_id: str) -> None:
    answer = api.get("/nope", headers={"X-Request-Id": request_id})
    assert answer.headers["X-Request-Id"] == answer.json["request_id"] == request_id


@pytest.mark.parametrize("request_id", ["", "x" * 65, "a b", 'a"b', "a\tb", "a/b"])
def test_any_other_request_id_is_replaced(api: Api, request_id: str) -> None:
    answer = api.get("/livez", headers={"X-Request-Id": request_id})
    assert len(answer.headers["X-Request-Id"]) == 16


def test_who_has_waited_too_long_is_told_to_come_again_and_the_process_still_lives(api: Api) -> None:
    late = api.request("POST", "/jobs", waited_seconds=LONGEST_WAIT_SECONDS + 0.1)
    assert (late.status, late.headers["Retry-After"]) == (503, "1")
    assert late.json["detail"].startswith(f"this request has waited {LONGEST_WAIT_SECONDS + 0.1:.1f} s for its turn: ")
    assert api.client.keys("*") == []
    assert api.request("POST", "/jobs", waited_seconds=LONGEST_WAIT_SECONDS).status == 202
    assert api.get("/livez", waited_seconds=60.0).status == 200


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "[::1]:8080", "[::1]"])
def test_the_names_of_loopback_are_ours(api: Api, host: str) -> None:
    assert api.get("/livez", host=host).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.com",
        "localhost.evil.com",
        "127.0.0.1.evil.com:80",
        "localhost, evil.com",
        "a@localhost",
        "",
        "[::1",
        "::1",
    ],
)
def test_a_foreign_host_is_403(api: Api, host: str) -> None:
    answer = api.get("/livez", host=host)
    assert answer.status == 403
    assert "the Host header must be 127.0.0.1 or [::1] or localhost" in answer.json["detail"]


def test_a_host_may_be_allowed(make_api: Callable[..., Api]) -> None:
    api = make_api(allowed_hosts=("Jobs.example.com",))
    assert api.get("/livez", host="jobs.example.com:443").status == 200
    assert api.get("/livez", host="example.com").status == 403


@pytest.mark.parametrize(
    "host", ["localhost", "api:8080", "my_api", "10.0.0.5:8080", "0.0.0.0", "[fd00::5]:8080", "jobs.example.com"]
)
def test_no_auth_allows_addresses_and_names_without_a_dot(make_api: Callable[..., Api], host: str) -> None:
    api = make_api(no_auth=True, allowed_hosts=("jobs.example.com",))
    assert api.get("/jobs", host=host).status == 200


@pytest.mark.parametrize(
    "host", ["evil.com", "evil.com:8080", "api.", "10.0.0.5.evil.com", "a@api", "api evil", "", "é"]
)
def test_no_auth_allows_no_name_that_a_page_may_have_for_its_own(make_api: Callable[..., Api], host: str) -> None:
    answer = make_api(no_auth=True).get("/jobs", host=host)
    assert answer.status == 403
    assert answer.json["detail"] == (
        "the Host header must be 127.0.0.1 or [::1] or localhost, an address, or a name without a dot;"
        " more by the setting api.allowed_hosts"
    )


@pytest.mark.parametrize(
    "origin",
    [
        *("https://evil.com", "null", "http://localhost:3000", "http://evil.com/localhost", "file://", "", "localhost"),
        *("http://10.0.0.5", "http://api"),
    ],
)
@pytest.mark.parametrize("no_auth", [False, True])
def test_a_page_of_another_site_is_403(make_api: Callable[..., Api], origin: str, no_auth: bool) -> None:
    api = make_api(no_auth=no_auth)
    answer = api.request("POST", "/jobs/pause", headers={"Origin": origin})
    assert answer.status == 403
    assert "web pages of other sites" in answer.json["detail"]
    assert api.store.pauses() == []


def test_a_page_by_the_name_we_are_called_is_foreign_unless_it_is_known(
    make_api: Callable[..., Api],
) -> None:
    api = make_api(no_auth=True)
    answer = api.request("POST", "/jobs/pause", headers={"Origin": "http://evil.com:8080"}, host="evil.com:8080")
    assert answer.status == 403


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost:8080", "localhost:8080"),
        ("http://[::1]:8080", "[::1]:8080"),
        ("https://jobs.example.com", "jobs.example.com"),
        ("https://jobs.example.com", "127.0.0.1:8080"),
        ("http://10.0.0.5:8080", "10.0.0.5:8080"),
    ],
)
def test_our_own_page_may_ask(make_api: Callable[..., Api], origin: str, host: str) -> None:
    api = make_api(allowed_hosts=("jobs.example.com",), no_auth="10.0.0.5" in host)
    assert api.request("POST", "/jobs/resume", headers={"Origin": origin}, host=host).status == 200


@pytest.mark.parametrize(("site", "status"), [("cross-site", 403), ("same-origin", 200), ("none", 200)])
def test_what_the_browser_calls_cross_site_is_403(api: Api, site: str, status: int) -> None:
    assert api.get("/livez", headers={"Sec-Fetch-Site": site}).status == status
