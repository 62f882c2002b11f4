from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from click.testing import Result

from jobworker.cli.errors import Failed, NotReachable, Refused
from tests.unit.cli.conftest import sentence
from tests.unit.cli.stub_api import StubApi

Invoke = Callable[..., Result]


def accept(stub: StubApi, *ids: str) -> None:
    for job_id in ids:
        stub.will_answer({"id": job_id, "status": "pending"}, 202)


def test_a_job_is_submitted_and_its_id_printed(stub: StubApi, invoke: Invoke) -> None:
    accept(stub, "id-1")
    result = invoke("submit", "echo")
    assert (result.output, result.return_value) == ("id-1\n", 0)
    assert (stub.asked[0].path, stub.asked[0].body) == ("/jobs", {"type": "echo"})


def test_options_go_into_the_request_and_only_those_given(stub: StubApi, invoke: Invoke) -> None:
    accept(stub, "id-1")
    invoke(
        *("submit", "image.resize", '{"path": "a.jpg"}', "--priority", "9", "--queue", "images", "--delay", "1.5"),
        *("--run-at", "2026-12-01T00:00:00Z", "--expires-at", "2026-12-02T00:00:00Z", "--timeout", "30"),
        *("--max-attempts", "2", "--max-crashes", "1", "--tag", "a", "--tag", "customer=42"),
    )
    assert stub.asked[0].body == {
        "type": "image.resize",
        "payload": {"path": "a.jpg"},
        "priority": 9,
        "queue": "images",
        "delay": 1.5,
        "run_at": "2026-12-01T00:00:00Z",
        "expires_at": "2026-12-02T00:00:00Z",
        "timeout": 30.0,
        "max_attempts": 2,
        "max_crashes": 1,
        "tags": ["a", "customer=42"],
    }


def test_a_key_goes_into_a_header_and_only_if_it_is_given(stub: StubApi, invoke: Invoke) -> None:
    accept(stub, "id-1", "id-2")
    invoke("submit", "echo", "--idempotency-key", "order 4711")
    invoke("submit", "echo")
    assert [asked.idempotency_key for asked in stub.asked] == ["order 4711", None]
    assert stub.asked[0].body == {"type": "echo"}


@pytest.mark.parametrize("key", ["", "x" * 256, "a\nb", "é"])
def test_a_key_that_is_none_is_not_sent(stub: StubApi, invoke: Invoke, key: str) -> None:
    assert "it must be 1 to 255 characters of printable ASCII" in sentence(
        invoke("submit", "echo", "--idempotency-key", key)
    )
    assert stub.asked == []


def test_the_payload_may_come_from_standard_input(stub: StubApi, invoke: Invoke) -> None:
    accept(stub, "id-1")
    invoke("submit", "echo", "-", stdin="[1, 2]\n")
    assert stub.asked[0].body["payload"] == [1, 2]


def test_a_payload_of_null_is_sent(stub: StubApi, invoke: Invoke) -> None:
    accept(stub, "id-1")
    invoke("submit", "echo", "null")
    assert "payload" in stub.asked[0].body


def test_numbers_of_the_payload_stay_as_they_were_written(stub: StubApi, invoke: Invoke) -> None:
    accept(stub, "id-1")
    invoke("submit", "echo", "123456789012345678901234567890")
    assert stub.asked[0].body["payload"] == 123456789012345678901234567890


@pytest.mark.parametrize("payload", ["{a: 1}", "", "hello", "[1,]", "NaN"])
def test_a_payload_that_is_not_json_is_a_usage_error_and_nothing_is_sent(
    stub: StubApi, invoke: Invoke, payload: str
) -> None:
    result = invoke("submit", "echo", payload)
    assert sentence(result).startswith("PAYLOAD is not JSON: ")
    assert getattr(result.exception, "exit_code", None) == 2
    assert stub.asked == []


@pytest.mark.parametrize(("payload", "why"), [("", "it is empty"), ('"\\ud800"', "half of a surrogate pair")])
def test_a_payload_that_looks_truncated_and_is_not_is_told_what_it_lacks(
    invoke: Invoke, payload: str, why: str
) -> None:
    assert why in sentence(invoke("submit", "echo", payload))


def test_a_number_that_json_cannot_say_is_a_usage_error(stub: StubApi, invoke: Invoke) -> None:
    assert "finite" in sentence(invoke("submit", "echo", "--delay", "nan"))
    assert stub.asked == []


def test_a_refusal_is_one_line_and_fails(stub: StubApi, invoke: Invoke) -> None:
    stub.will_refuse(422, "there is no handler `ecko`; there are: echo, sleep", "/type")
    result = invoke("submit", "ecko")
    assert isinstance(result.exception, Refused)
    assert sentence(result) == "/type: there is no handler `ecko`; there are: echo, sleep"


def test_json_prints_the_whole_answer(stub: StubApi, invoke: Invoke) -> None:
    accept(stub, "id-1")
    assert invoke("submit", "echo", "--json").output == '{"id":"id-1","status":"pending"}\n'


def test_waiting_prints_the_result(stub: StubApi, invoke: Invoke) -> None:
    accept(stub, "id-1")
    stub.will_answer({"id": "id-1", "status": "running"})
    stub.will_answer({"id": "id-1", "status": "succeeded", "result": {"n": 1}})
    result = invoke("submit", "echo", "--wait")
    assert (result.stdout, result.stderr, result.return_value) == ('{"n":1}\n', "", 0)
    assert [asked.path for asked in stub.asked] == ["/jobs", "/jobs/id-1", "/jobs/id-1"]


@pytest.mark.parametrize(("status", "code"), [("succeeded", 0), ("failed", 1)])
def test_following_shows_the_output_beside_the_result(stub: StubApi, invoke: Invoke, status: str, code: int) -> None:
    accept(stub, "id-1")
    piece = {"at": 0, "next": 4, "left_out": 0, "read_at": "", "attempt": 1, "text": "half"}
    stub.will_answer(msgspec.json.encode(piece) + b"\n")
    stub.will_answer({"status": status})
    stub.will_answer({"items": []})
    stub.will_answer({"id": "id-1", "status": status, "result": 7})
    result = invoke("submit", "echo", "--follow")
    assert result.stdout == ("7\n" if status == "succeeded" else "")
    assert result.stderr == ("half\n" if status == "succeeded" else "half\njobworker: job id-1 failed\n")
    assert result.return_value == code


def test_waiting_for_a_job_that_fails_says_why_and_fails(stub: StubApi, invoke: Invoke) -> None:
    accept(stub, "id-1")
    error = {"type": "ValueError", "message": "no \x1b[31mimage", "traceback": None}
    stub.will_answer({"id": "id-1", "status": "failed", "result": None, "error": error, "reason": "attempts spent"})
    result = invoke("submit", "echo", "--wait")
    assert (result.stdout, result.return_value) == ("", 1)
    assert result.stderr == "jobworker: job id-1 failed: ValueError: no \\x1b[31mimage; attempts spent\n"


@pytest.mark.parametrize(
    ("status", "words"), [("cancelled", "was cancelled"), ("expired", "expired before it started")]
)
def test_waiting_for_a_job_that_never_ran_fails_too(stub: StubApi, invoke: Invoke, status: str, words: str) -> None:
    accept(stub, "id-1")
    stub.will_answer({"id": "id-1", "status": status, "result": None, "error": None, "reason": None})
    result = invoke("submit", "echo", "--wait", "--json")
    assert (result.return_value, result.stderr) == (1, f"jobworker: job id-1 {words}\n")
    assert f'"status":"{status}"' in result.stdout


def test_each_line_is_a_job_whose_gaps_the_options_fill(stub: StubApi, invoke: Invoke, tmp_path: Path) -> None:
    accept(stub, "id-1", "id-2")
    lines = tmp_path / "jobs.jsonl"
    lines.write_text('{"payload": 1}\n\n{"type": "sleep", "priority": 1, "payload": 2.50}\n')
    result = invoke("submit", "echo", "--priority", "9", "--lines", str(lines))
    assert (result.output, result.return_value) == ("id-1\nid-2\n", 0)
    assert [asked.body for asked in stub.asked] == [
        {"type": "echo", "priority": 9, "payload": 1},
        {"type": "sleep", "priority": 1, "payload": 2.5},
    ]


def test_lines_that_name_their_own_types_need_none_for_all(stub: StubApi, invoke: Invoke) -> None:
    accept(stub, "id-1")
    result = invoke("submit", "--lines", "-", stdin='{"type": "echo"}\n{"payload": 1}\n')
    assert (result.stdout, result.return_value) == ("id-1\n", 1)
    assert result.stderr.startswith("jobworker: line 2: it names no type; name one there, or TYPE for all")
    assert [asked.body for asked in stub.asked] == [{"type": "echo"}]


def test_a_single_job_needs_a_type(stub: StubApi, invoke: Invoke) -> None:
    result = invoke("submit", "--priority", "5")
    assert sentence(result).startswith("Missing argument 'TYPE'")
    assert getattr(result.exception, "exit_code", None) == 2
    assert stub.asked == []


def test_lines_may_come_from_standard_input(stub: StubApi, invoke: Invoke) -> None:
    accept(stub, "id-1")
    assert invoke("submit", "echo", "--lines", "-", stdin='{"payload": 1}').output == "id-1\n"


def test_a_refused_line_is_reported_with_its_number_and_the_rest_goes_on(stub: StubApi, invoke: Invoke) -> None:
    accept(stub, "id-1")
    stub.will_refuse(422, "Expected `int` <= 10", "/priority")
    accept(stub, "id-5")
    lines = b'{}\n[1]\n{"priority": 11}\n\xff\n{}\n'
    result = invoke("submit", "echo", "--lines", "-", stdin=lines)
    assert (result.stdout, result.return_value) == ("id-1\nid-5\n", 1)
    errors = result.stderr.splitlines()
    assert errors[0].startswith("jobworker: line 2: not a JSON object: ")
    assert errors[1] == "jobworker: line 3: /priority: Expected `int` <= 10"
    assert errors[2].startswith("jobworker: line 4: not a JSON object: ")
    assert errors[3] == "jobworker: 2 submitted, 3 refused"


def test_lines_stop_where_the_api_goes_away(stub: StubApi, invoke: Invoke) -> None:
    accept(stub, "id-1")
    stub.will_refuse(503, "Redis is away")
    result = invoke("submit", "echo", "--lines", "-", stdin="{}\n{}\n{}\n")
    assert result.stdout == "id-1\n"
    assert isinstance(result.exception, NotReachable)
    assert sentence(result) == "stopped at line 2: Redis is away"


@pytest.mark.parametrize("extra", [["1"], ["--wait"], ["--follow"]])
def test_lines_go_with_neither_payload_nor_wait(stub: StubApi, invoke: Invoke, extra: list[str]) -> None:
    result = invoke("submit", "echo", *extra, "--lines", "-", stdin="{}")
    assert sentence(result) == "--lines goes with neither PAYLOAD nor --wait, --follow or --idempotency-key"
    assert stub.asked == []


def test_a_file_of_lines_that_is_not_there_is_a_usage_error(invoke: Invoke) -> None:
    result = invoke("submit", "echo", "--lines", "away.jsonl")
    assert "away.jsonl" in sentence(result)
    assert not isinstance(result.exception, Failed)
