"""`http` handlers, with a real server on loopback."""

import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from msgspec import Raw

from jobworker.handlers import Fail, Job, Retry
from jobworker.handlers.errors import BadResult, InvalidDeclaration, RequestFailed
from jobworker.handlers.foreign import service as subject
from jobworker.handlers.foreign.endpoint import tls_context
from jobworker.handlers.foreign.headers import Headers
from jobworker.handlers.foreign.url import Url
from jobworker.handlers.limits import MAX_RESULT_BYTES, MAX_RETRY_SECONDS
from tests.support.service import Service, make_certificate
from tests.unit.handlers.foreign.conftest import Declarations


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.close()


@pytest.fixture
def secure_service(tmp_path: Path) -> Iterator[Service]:
    service = Service(make_certificate(tmp_path, "billing.example"))
    yield service
    service.close()


@pytest.fixture
def run(declarations: Declarations, service: Service) -> Callable[..., Any]:
    """Run a job with the service as its handler."""
    declarations.declare(f'[http."t"]\nurl = "http://127.0.0.1:{service.port}/jobs?a=1"\nallow_private = true\n')
    return declarations.run


def test_the_payload_is_posted_and_the_answer_is_the_result(run: Callable[..., Any], service: Service) -> None:
    service.answer(200, b' {"sent": true}\n')
    assert run({"invoice": "ü"}, attempt=2) == {"sent": True}
    (asked,) = service.asked
    assert (asked.path, asked.body) == ("/jobs?a=1", '{"invoice":"ü"}'.encode())
    headers = {name.lower(): value for name, value in asked.headers.items()}
    job_id = headers["idempotency-key"]
    assert len(job_id) == 36
    told = {"content-type": "application/json", "x-job-id": job_id, "x-job-type": "t", "host": headers["host"]}
    told |= {"x-job-attempt": "2", "x-job-token": "2", "content-length": "16", "connection": "close"}
    assert headers == {**told, "idempotency-key": job_id, "accept-encoding": "identity"}
    assert headers["host"] == f"127.0.0.1:{service.port}"


@pytest.mark.parametrize(("status", "body"), [(204, b""), (200, b""), (202, b" \r\n")])
def test_an_empty_answer_is_null(run: Callable[..., Any], service: Service, status: int, body: bytes) -> None:
    service.answer(status, body)
    assert run() is None


def test_an_answer_that_is_no_json_or_too_long_is_a_bad_result(run: Callable[..., Any], service: Service) -> None:
    service.answer(200, b"<html>")
    with pytest.raises(BadResult, match=r"the answer is no JSON: .*; it begins with .<html>"):
        run()
    service.answer(200, b"1" * (MAX_RESULT_BYTES + 1))
    with pytest.raises(BadResult, match="the answer has more than 1048576 bytes"):
        run()
    text = b'"' + b"x" * (MAX_RESULT_BYTES - 2) + b'"'
    service.answer(200, text)
    assert len(run()) == MAX_RESULT_BYTES - 2


def test_an_answer_without_end_is_a_bad_result(run: Callable[..., Any], service: Service) -> None:
    def pour(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        while not service.ended.is_set():
            request.wfile.write(b"1" * 65536)

    service.act = pour
    with pytest.raises(BadResult):
        run()


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_in_seconds_is_honoured(run: Callable[..., Any], service: Service, status: int) -> None:
    service.answer(status, b"busy", Retry_After="7")
    with pytest.raises(Retry, match=f"^{status} .*: busy$") as caught:
        run()
    assert caught.value.after == 7


def test_retry_after_as_a_date_is_honoured_and_bounded(run: Callable[..., Any], service: Service) -> None:
    for days, least, most in ((1, 86_390, 86_400), (-1, 0, 0), (2000, MAX_RETRY_SECONDS, MAX_RETRY_SECONDS)):
        when = format_datetime(datetime.now(UTC) + timedelta(days=days), usegmt=True)
        service.answer(503, Retry_After=when)
        with pytest.raises(Retry) as caught:
            run()
        assert caught.value.after is not None
        assert least <= caught.value.after <= most


@pytest.mark.parametrize(
    ("status", "headers"), [(500, {}), (502, {}), (503, {}), (408, {}), (429, {}), (503, {"Retry_After": "soon"})]
)
def test_what_may_work_later_is_a_failed_attempt(
    run: Callable[..., Any], service: Service, status: int, headers: dict[str, str]
) -> None:
    service.answer(status, b"not\n now", **headers)
    with pytest.raises(RequestFailed, match=f"^{status} .*: not now$"):
        run()


@pytest.mark.parametrize("status", [400, 401, 404, 409, 410, 422])
def test_a_refusal_ends_the_job_with_what_it_says(run: Callable[..., Any], service: Service, status: int) -> None:
    service.answer(status, b"no such invoice" + b"x" * 100_000)
    with pytest.raises(Fail, match=f"^{status} .*: no such invoicex") as caught:
        run()
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(run: Callable[..., Any], service: Service, status: int) -> None:
    service.answer(status, Location=f"http://127.0.0.1:{service.port}/elsewhere")
    with pytest.raises(Fail, match=r"redirects are not followed .*/elsewhere"):
        run()
    assert len(service.asked) == 1


@pytest.mark.parametrize("trickle", [False, True])
def test_a_slow_service_is_given_up_before_the_deadline(
    run: Callable[..., Any], service: Service, trickle: bool
) -> None:
    def dawdle(request: BaseHTTPRequestHandler) -> None:
        if trickle:
            request.send_response(200)
            request.end_headers()
        while not service.ended.wait(0.02):
            if trickle:
                request.wfile.write(b"1")

    service.act = dawdle
    began_at = time.monotonic()
    with pytest.raises(RequestFailed, match=r"^127.0.0.1 has not answered within 0.4 s$"):
        run(timeout=0.5)
    assert time.monotonic() - began_at < 0.5


def test_nobody_at_the_address_is_a_failed_attempt(declarations: Declarations) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    declarations.declare(f'[http."t"]\nurl = "http://127.0.0.1:{port}"\nallow_private = true\n')
    with pytest.raises(RequestFailed, match=f"^127.0.0.1:{port} cannot be spoken to: .*Connection refused"):
        declarations.run()


def test_what_is_no_http_is_a_failed_attempt(run: Callable[..., Any], service: Service) -> None:
    def greet(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"SSH-2.0\r\n\r\n")

    service.act = greet
    with pytest.raises(RequestFailed, match="cannot be spoken to"):
        run()


def test_a_name_that_leads_to_us_is_refused_unless_that_is_allowed(
    declarations: Declarations, service: Service
) -> None:
    declarations.declare(f'[http."t"]\nurl = "http://localhost:{service.port}/"\n')
    with pytest.raises(Fail, match=r"^localhost is at .*, which is loopback"):
        declarations.run()
    assert service.asked == []


def test_the_address_that_was_checked_is_the_one_that_is_connected_to(service: Service) -> None:
    asked: list[str] = []

    def rebinding(host: str, _port: int, **_: Any) -> list[Any]:
        """Point a name at the service for the first to ask, and elsewhere for everybody later."""
        asked.append(host)
        address = ("127.0.0.1", service.port) if len(asked) == 1 else ("127.0.0.1", 1)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address)]

    handler = subject.Service(
        Url.read("http://rebinding.example/"), Headers({}, Path()), allow_private=True, look_up=rebinding
    )
    assert handler.call(b"1", job()) == Raw(b"null")
    assert asked == ["rebinding.example"]
    assert service.asked[0].headers["Host"] == "rebinding.example"
    with pytest.raises(Fail, match="which is loopback"):
        replace(handler, allow_private=False).call(b"1", job())
    assert len(service.asked) == 1


def test_proxies_of_the_environment_are_not_used(
    run: Callable[..., Any], service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert run() is None
    assert len(service.asked) == 1


def test_a_certificate_is_verified_with_its_name(secure_service: Service, tmp_path: Path) -> None:
    trusting = tls_context(tmp_path / "billing.example.pem")
    url = Url.read(f"https://billing.example:{secure_service.port}/jobs")
    handler = subject.Service(url, Headers({}, tmp_path), allow_private=True, tls=trusting, look_up=at_loopback)
    secure_service.answer(200, b"5")
    assert handler.call(b"1", job()) == Raw(b"5")
    other = replace(url, host="other.example")
    for wrong in (replace(handler, url=other), replace(handler, tls=tls_context(None))):
        with pytest.raises(RequestFailed, match="certificate verify failed"):
            wrong.call(b"1", job())
    assert len(secure_service.asked) == 1


def test_headers_come_from_the_file_the_environment_and_files_of_secrets(
    declarations: Declarations, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = declarations.folder / "token"
    secret.write_text("first\n")
    monkeypatch.setenv("BILLING_KEY", "k1")
    declarations.declare(
        f'[http."t"]\nurl = "http://127.0.0.1:{service.port}"\nallow_private = true\n[http."t".headers]\n'
        'X-Plain = "yes"\nX-Key = {env = "BILLING_KEY"}\nAuthorization = {file = "token", prefix = "Bearer "}\n'
    )
    declarations.run()
    secret.write_text("second\n")
    declarations.run()
    headers = [asked.headers for asked in service.asked]
    assert [(sent["X-Plain"], sent["X-Key"]) for sent in headers] == [("yes", "k1")] * 2
    assert [sent["Authorization"] for sent in headers] == ["Bearer first", "Bearer second"]
    secret.unlink()
    with pytest.raises(InvalidDeclaration, match=r"a header Authorization that names .*token, which cannot be read"):
        declarations.run()


def test_the_trace_of_the_job_goes_along(declarations: Declarations, service: Service) -> None:
    declarations.declare(f'[http."t"]\nurl = "http://127.0.0.1:{service.port}"\nallow_private = true\n')
    for trace in ("00-a-b-01 c=d", "00-a-b-01", ""):
        declarations.run(trace=trace)
    sent = [(asked.headers.get("traceparent"), asked.headers.get("tracestate")) for asked in service.asked]
    assert sent == [("00-a-b-01", "c=d"), ("00-a-b-01", None), (None, None)]


def at_loopback(_host: str, port: int, **_: Any) -> list[Any]:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]


def job() -> Job:
    return Job(
        id="id",
        type="t",
        queue="q",
        attempt=1,
        max_attempts=3,
        fencing_token=1,
        created_at=datetime.now(UTC),
        deadline_monotonic=time.monotonic() + 30,
    )


def test_an_answer_that_breaks_off_is_no_result_also_if_it_could_be_one(
    run: Callable[..., Any], service: Service
) -> None:
    def break_off(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "5")
        request.end_headers()
        request.wfile.write(b"12")

    service.act = break_off
    with pytest.raises(RequestFailed, match="its answer broke off 3 bytes before its end"):
        run(1)
