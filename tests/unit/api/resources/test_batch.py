"""POST /jobs/batch, on fakeredis and on a real server."""

from typing import Any

import msgspec
import pytest

from jobworker.store.errors import OutcomeUnknown, StoreUnavailable
from jobworker.store.intake import Answer
from jobworker.store.job import NewJob
from jobworker.store.limits import MAX_BATCH_JOBS
from tests.support.reply import Reply
from tests.unit.api.conftest import JSON, Api


def post(api: Api, jobs: object, key: str | None = None, **more: Any) -> Reply:
    headers = JSON if key is None else {**JSON, "Idempotency-Key": key}
    return api.request("POST", "/jobs/batch", msgspec.json.encode({"jobs": jobs, **more}), headers)


def words(answer: Reply) -> list[Any]:
    """Return what became of each job: its status, or status and pointer of its error."""
    return [
        (item["error"]["status"], item["error"]["pointer"]) if "error" in item else item["status"]
        for item in answer.json["jobs"]
    ]


def pending(api: Api) -> int:
    return int(api.client.zcard(api.keys.created))


def test_jobs_are_taken_in_their_order_with_all_that_they_say(api: Api) -> None:
    answer = post(api, [{"priority": 7}, {"delay": 60}, {"type": "mail", "queue": "slow", "payload": [1.50]}])
    assert (answer.status, answer.json["accepted"], answer.json["refused"]) == (202, 3, 0)
    assert words(answer) == ["pending", "scheduled", "pending"]
    last = answer.json["jobs"][2]
    assert (last["type"], last["queue"], last["priority"]) == ("mail", "slow", 5)
    assert api.stored(last["id"])[b"payload"] == b"[1.5]"


def test_what_is_wrong_with_one_is_told_as_for_a_single_job_and_keeps_no_other_out(api: Api) -> None:
    bad: list[Any] = [{"priority": 11}, {"nope": 1}, 5, {"delay": 1, "run_at": "2026-01-01T00:00:00Z"}]
    late = {"expires_at": "2001-01-01T00:00:00Z"}
    answer = post(api, [{}, *bad, late, {}])
    assert words(answer) == [
        "pending",
        *[(422, "/jobs/1/priority"), (422, "/jobs/2/nope"), (422, "/jobs/3"), (422, "/jobs/4/run_at")],
        *[(422, "/jobs/5/expires_at"), "pending"],
    ]
    assert (answer.json["accepted"], answer.json["refused"]) == (2, 5)
    for item, body in zip(answer.json["jobs"][1:], [*bad, late], strict=False):
        assert item["error"]["detail"] == api.post("/jobs", body).json["detail"]
    assert pending(api) == 2


def test_more_than_one_call_holds_are_all_taken(api: Api) -> None:
    count = 2 * MAX_BATCH_JOBS + 1
    answer = post(api, [{}] * count)
    assert answer.json["accepted"] == len({item["id"] for item in answer.json["jobs"]}) == count
    assert pending(api) == count


def test_all_or_none_tells_of_each_that_is_at_fault_and_takes_none(api: Api) -> None:
    for jobs, pointers in [
        ([{}, {"priority": 0}, {"type": "a b"}], ["/jobs/1/priority", "/jobs/2/type"]),
        ([{}, {"expires_at": "2001-01-01T00:00:00Z"}], ["/jobs/1/expires_at"]),
    ]:
        answer = post(api, jobs, atomic=True)
        assert (answer.status, [error["pointer"] for error in answer.json["errors"]]) == (422, pointers)
    assert pending(api) == 0
    assert words(post(api, [{}, {}], atomic=True)) == ["pending", "pending"]


def test_all_or_none_has_the_limits_of_one_call(api: Api) -> None:
    cases: list[list[Any]] = [[{}] * (MAX_BATCH_JOBS + 1), [{"payload": "x" * 1_000_000}] * 5]
    for jobs in cases:
        answer = post(api, jobs, atomic=True)
        assert (answer.status, answer.json["errors"][0]["pointer"]) == (422, "/jobs")
    assert pending(api) == 0


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        (b"", 422, "jobs must be given"),
        (b"{}", 422, "an object with any of the fields jobs, atomic"),
        (b'{"jobs": []}', 422, "jobs must be a list of 1 to 10000"),
        (b'{"jobs": 5}', 422, "jobs must be a list of 1 to 10000"),
        (b'{"jobs": [{}], "x": 1}', 422, "x is not a field; allowed: jobs, atomic"),
        (b'{"jobs": [{}', 400, "the body must be one JSON object"),
        (b'{"jobs": [{"payload": "\xff"}]}', 400, "the body must be UTF-8"),
        (b'{"jobs": [{"payload": ' + b"[" * 100_000, 422, "nested deeper than"),
        (b'{"jobs": [' + b",".join([b"{}"] * 10_001) + b"]}", 422, "jobs must be a list of 1 to 10000"),
    ],
)
def test_what_is_wrong_with_the_body_is_told_and_nothing_taken(
    api: Api, body: bytes, status: int, sentence: str
) -> None:
    answer = api.request("POST", "/jobs/batch", body, JSON)
    assert answer.status == status
    assert sentence in answer.json["detail"]
    assert pending(api) == 0


def test_a_repeat_with_its_key_is_answered_as_the_first_and_makes_no_job(api: Api) -> None:
    jobs: list[Any] = [{"payload": 1}, {"priority": 11}, {"delay": 5}]
    first, again = post(api, jobs, "k"), post(api, jobs, "k")
    assert again.body == first.body
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert pending(api) == 2
    assert post(api, [*jobs, {}], "k").status == 422
    assert post(api, jobs, "other").json["accepted"] == 2
    assert pending(api) == 4


@pytest.mark.parametrize("atomic", [False, True])
def test_a_repeat_is_answered_although_a_type_would_be_refused_by_now(api: Api, atomic: bool) -> None:
    first = post(api, [{"type": "report"}], "k", atomic=atomic)
    api.publish("other")
    later = Api(api.client)
    assert later.post("/jobs", {"type": "report"}).status == 422
    again = post(later, [{"type": "report"}], "k", atomic=atomic)
    later.available.close()
    assert (again.status, again.body, again.headers["Idempotent-Replayed"]) == (202, first.body, "true")


class Failing:
    """The intake, of which some calls fail."""

    def __init__(self, api: Api, *errors: Exception | None) -> None:
        self._take = api.store.intake.take
        self._errors = list(errors)

    def __call__(self, jobs: list[NewJob], *, all_or_none: bool) -> list[Answer]:
        if self._errors and (error := self._errors.pop(0)) is not None:
            raise error
        return self._take(jobs, all_or_none=all_or_none)


def test_when_redis_goes_away_before_any_was_taken_it_is_503(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.store.intake, "take", Failing(api, StoreUnavailable("gone")))
    answer = post(api, [{}])
    assert (answer.status, answer.json["detail"], answer.headers["Retry-After"]) == (503, "gone", "1")


def test_when_redis_goes_away_after_some_each_says_what_became_of_it_and_a_repeat_completes_it(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.away.set()
    lost = OutcomeUnknown("no answer")
    monkeypatch.setattr(api.store.intake, "take", Failing(api, None, lost, lost))
    jobs: list[Any] = [{}] * (2 * MAX_BATCH_JOBS + 1)
    answer = post(api, jobs, "k")
    assert (answer.status, answer.json["accepted"]) == (202, MAX_BATCH_JOBS)
    doubtful, untried = answer.json["jobs"][MAX_BATCH_JOBS], answer.json["jobs"][-1]
    assert "may have been accepted" in doubtful["error"]["detail"]
    assert doubtful["id"]
    assert untried["error"]["detail"].startswith("not tried, because of those before it: no answer")
    assert (untried["error"]["status"], "id" in untried) == (503, False)
    monkeypatch.undo()
    later = Api(api.client)
    again = post(later, jobs, "k")
    later.available.close()
    assert again.json["accepted"] == len(jobs)
    assert again.json["jobs"][:MAX_BATCH_JOBS] == answer.json["jobs"][:MAX_BATCH_JOBS]
    assert pending(api) == len(jobs)
