import socket
from pathlib import Path

import pytest

from jobworker.cli.errors import Failed, NotReachable, Refused, Unavailable
from jobworker.cli.http import MAX_IDLE_SECONDS, ApiClient
from jobworker.store.settings import ClientSettings
from tests.unit.cli.stub_api import StubApi


def client_of(url: str, timeout: float = 10.0) -> ApiClient:
    return ApiClient(ClientSettings(url=url, timeout=timeout))


def test_an_answer_is_the_decoded_object(stub: StubApi) -> None:
    stub.will_answer({"id": "1"})
    with client_of(stub.url) as client:
        assert client.post("/jobs", {"type": "echo"}) == {"id": "1"}
    assert (stub.asked[0].method, stub.asked[0].path, stub.asked[0].body) == ("POST", "/jobs", {"type": "echo"})


def test_requests_share_a_connection(stub: StubApi) -> None:
    stub.will_answer({})
    stub.will_answer({})
    with client_of(stub.url) as client:
        client.get("/livez")
        client.get("/livez")
    assert stub.connections == 1


def test_a_connection_that_was_idle_for_long_is_opened_anew(stub: StubApi) -> None:
    now = [0.0]
    stub.will_answer({})
    stub.will_answer({})
    with ApiClient(ClientSettings(url=stub.url), clock=lambda: now[0]) as client:
        client.get("/livez")
        now[0] += MAX_IDLE_SECONDS + 1
        client.get("/livez")
    assert stub.connections == 2


def test_the_url_may_have_a_path_and_an_id_cannot_leave_it(stub: StubApi) -> None:
    stub.will_answer({})
    with client_of(f"{stub.url}/under/") as client:
        client.get_job("../pause?x")
    assert stub.asked[0].path == "/under/jobs/..%2Fpause%3Fx"


@pytest.mark.parametrize(
    ("pointers", "message"),
    [((), "priority must be 1 to 10"), (("/priority",), "/priority: priority must be 1 to 10")],
)
def test_a_refusal_says_what_the_problem_says_and_where(stub: StubApi, pointers: tuple[str, ...], message: str) -> None:
    stub.will_refuse(422, "priority must be 1 to 10", *pointers)
    with client_of(stub.url) as client, pytest.raises(Refused) as refused:
        client.post("/jobs", {})
    assert (refused.value.message, refused.value.status, refused.value.exit_code) == (message, 422, 1)


def test_a_503_says_when_to_come_back(stub: StubApi) -> None:
    stub.will_refuse(503, "Redis is away", Retry_After="2")
    with client_of(stub.url) as client, pytest.raises(Unavailable, match="Redis is away") as away:
        client.get("/jobs/1")
    assert (away.value.retry_after_seconds, away.value.exit_code) == (2.0, 3)


def test_a_503_that_does_not_say_when_means_soon(stub: StubApi) -> None:
    stub.will_refuse(503, "Redis is away", Retry_After="Wed, 21 Oct 2026 07:28:00 GMT")
    with client_of(stub.url) as client, pytest.raises(Unavailable) as away:
        client.get("/jobs/1")
    assert away.value.retry_after_seconds == 1.0


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b"\xff"])
def test_another_server_at_the_url_is_recognised(stub: StubApi, body: bytes) -> None:
    stub.will_answer(body, 404, Content_Type="text/html; charset=utf-8")
    with client_of(stub.url) as client, pytest.raises(NotReachable) as strange:
        client.get("/jobs/1")
    assert strange.value.message == f"{stub.url} does not answer like a jobworker API (HTTP 404, text/html)"


def test_nobody_there_says_how_to_start_one(free_url: str) -> None:
    with client_of(free_url) as client, pytest.raises(NotReachable) as away:
        client.get("/jobs/1")
    assert away.value.message == (
        f"the API at {free_url} is not reachable (Connection refused); `jobworker up` starts one, --url names another"
    )


def test_what_is_silent_is_given_up_and_a_post_may_have_been_done() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with client_of(url, timeout=0.1) as client, pytest.raises(NotReachable) as away:
            client.post("/jobs", {})
        assert away.value.message == (f"the API at {url} did not answer within 0.1 s; whether it was done is not known")
        with client_of(url, timeout=0.1) as client, pytest.raises(NotReachable, match=r"did not answer within 0.1 s$"):
            client.get("/jobs/1")


@pytest.mark.parametrize("url", ["http://[::1", "http://host:99999", "http://:80"])
def test_a_url_that_is_none_is_one_sentence(url: str) -> None:
    with pytest.raises(Failed, match=r"^http://"):
        client_of(url)


def test_a_host_name_that_cannot_be_one_is_not_reachable() -> None:
    with (
        client_of("http://..") as client,
        pytest.raises(NotReachable, match=r"^the API at http://\.\. is not reachable"),
    ):
        client.get("/jobs/1")


def test_tls_to_a_server_without_it_is_not_reachable(stub: StubApi, tmp_path: Path) -> None:
    with client_of(stub.url.replace("http:", "https:")) as client, pytest.raises(NotReachable, match="not reachable"):
        client.get("/jobs/1")
