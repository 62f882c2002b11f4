"""Whatever goes wrong, a client gets problem details and no traceback."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from jobworker.store.errors import StoreError, StoreFull, StoreMisconfigured, StoreUnavailable
from tests.support.reply import Reply
from tests.unit.api.conftest import Api


def assert_is_problem(answer: Reply, status: int) -> None:
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json
    assert problem["status"] == status
    assert problem["type"] == "about:blank"
    assert problem["request_id"] == answer.headers["X-Request-Id"]
    assert problem["title"]
    assert problem["detail"]


def fail_with(api: Api, error: Exception) -> None:
    def get(job_id: str) -> Any:
        raise error

    setattr(api.store, "get", get)  # noqa: B010 - mypy lets no method be assigned


ANY_JOB = "/jobs/019cb6c0-7c1a-7d3b-8f00-000000000000"


@pytest.mark.parametrize("path", ["/", "/nope", "/jobs/a/b", "/jobs/a/cancel/b", "/JOBS", "/" + "x" * 5000])
def test_an_unknown_path_is_404_and_names_the_known_ones(api: Api, path: str) -> None:
    answer = api.get(path)
    assert_is_problem(answer, 404)
    known = answer.json["detail"].partition("; there is ")[2].split(", ")
    assert {"/jobs", "/jobs/{job_id}", "/jobs/{job_id}/retry", "/queues", "/workers", "/readyz"} <= set(known)
    assert len(answer.json["detail"]) < 2000


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/jobs", {"GET", "HEAD", "POST", "OPTIONS"}),
        ("DELETE", "/jobs", {"GET", "HEAD", "POST", "OPTIONS"}),
        ("POST", ANY_JOB, {"GET", "HEAD", "DELETE", "OPTIONS"}),
        ("GET", f"{ANY_JOB}/cancel", {"POST", "OPTIONS"}),
        ("GET", f"{ANY_JOB}/retry", {"POST", "OPTIONS"}),
        ("GET", "/jobs/pause", {"POST", "OPTIONS"}),
        ("PUT", "/jobs/resume", {"POST", "OPTIONS"}),
        ("POST", "/livez", {"GET", "HEAD", "OPTIONS"}),
        ("PATCH", "/readyz", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_a_wrong_method_is_405_and_names_the_right_ones(api: Api, method: str, path: str, allowed: set[str]) -> None:
    answer = api.request(method, path)
    assert_is_problem(answer, 405)
    assert set(answer.headers["Allow"].split(", ")) == allowed
    assert answer.json["detail"] == f"{method} is not possible here; possible: {answer.headers['Allow']}"


def test_options_tells_what_is_possible(api: Api) -> None:
    answer = api.request("OPTIONS", "/jobs")
    assert (answer.status, answer.headers["Allow"], answer.body) == (200, "GET, HEAD, POST", b"")


def test_a_bug_is_500_without_a_traceback_and_the_log_has_it(api: Api) -> None:
    fail_with(api, ZeroDivisionError("secret"))
    with capture_logs() as logs:
        answer = api.get(ANY_JOB)
    assert_is_problem(answer, 500)
    assert b"secret" not in answer.body
    assert b"ZeroDivision" not in answer.body
    [entry] = [entry for entry in logs if entry["log_level"] == "error"]
    assert isinstance(entry["exc_info"], ZeroDivisionError)
    assert entry["request_id"] == answer.json["request_id"]


@pytest.mark.parametrize(
    "error",
    [
        StoreUnavailable("Redis is not reachable: test"),
        StoreFull(),
        StoreMisconfigured("Redis refuses the user or the password of the URL"),
        StoreError("Redis answered with an error: test"),
    ],
)
def test_trouble_with_redis_is_503_with_a_time_to_retry(api: Api, error: StoreError) -> None:
    api.away.set()
    fail_with(api, error)
    answer = api.get(ANY_JOB)
    assert_is_problem(answer, 503)
    assert answer.headers["Retry-After"] == "1"
    assert answer.json["detail"] == str(error)


def test_while_redis_is_away_nobody_waits_for_it(api: Api) -> None:
    api.lose_redis("Redis is not reachable: test")
    fail_with(api, AssertionError("asked"))
    for method, path in (("POST", "/jobs"), ("GET", ANY_JOB), ("POST", "/jobs/pause"), ("POST", "/jobs/resume")):
        answer = api.request(method, path)
        assert_is_problem(answer, 503)
        assert answer.headers["Retry-After"] == "1"


def test_a_bad_body_is_told_so_even_while_redis_is_away(api: Api) -> None:
    assert api.get("/jobs").status == 200
    api.lose_redis("test")
    assert api.post("/jobs", {"priority": 11}).status == 422
