"""Reading a job's hash."""

import msgspec
import pytest

from jobworker.store.backoff import Backoff
from jobworker.store.job import Attempt, AttemptDetail, ErrorInfo, JobRecord, Receipt
from jobworker.store.states import ENDED, JobState, Outcome

MINIMAL = {
    b"type": b"echo",
    b"queue": b"default",
    b"priority": b"5",
    b"status": b"pending",
    b"payload": b"null",
    b"created_ms": b"1000",
    b"run_at_ms": b"1000",
    b"attempt": b"0",
    b"failures": b"0",
    b"crashes": b"0",
}


def decode(now_ms: int = 2000, **fields: bytes) -> JobRecord:
    return JobRecord.decode("the-id", now_ms, MINIMAL | {name.encode(): value for name, value in fields.items()})


def test_a_fresh_job_has_nothing_of_attempts() -> None:
    assert decode() == JobRecord(2000, "the-id", "echo", "default", 5, JobState.PENDING, 1000, 1000, payload=b"null")


def test_every_field_is_read() -> None:
    job = decode(
        status=b"failed",
        expires_ms=b"5000",
        timeout_ms=b"2500",
        max_attempts=b"4",
        max_crashes=b"6",
        backoff=b'{"base":2.0,"factor":3.0,"max":9.0,"jitter":false}',
        attempt=b"3",
        failures=b"2",
        crashes=b"1",
        started_ms=b"1200",
        ended_ms=b"1300",
        cancel_requested_ms=b"1250",
        token=b"1764000000000001",
        owner=b"alpha",
        epoch=b"1764000000000000",
        worker=b"77",
        reason=b"max_attempts",
        result=b"\x00\xff",
        error=b'{"type":"ValueError","message":"no","traceback":"Traceback"}',
        receipt=b'{"wall_seconds":1.5,"cpu_user_seconds":1.0,"cpu_system_seconds":0.25,"peak_rss_bytes":4096}',
    )
    assert job == JobRecord(
        now_ms=2000,
        id="the-id",
        type="echo",
        queue="default",
        priority=5,
        status=JobState.FAILED,
        payload=b"null",
        created_ms=1000,
        run_at_ms=1000,
        expires_ms=5000,
        timeout_ms=2500,
        max_attempts=4,
        max_crashes=6,
        backoff=Backoff(2.0, 3.0, 9.0, jitter=False),
        attempt=3,
        failures=2,
        crashes=1,
        started_ms=1200,
        ended_ms=1300,
        cancel_requested_ms=1250,
        token=1764000000000001,
        owner="alpha",
        epoch=1764000000000000,
        worker=77,
        reason="max_attempts",
        result=b"\x00\xff",
        error=ErrorInfo("ValueError", "no", "Traceback"),
        receipt=Receipt(1.5, 1.0, 0.25, 4096),
    )


def test_fields_of_a_newer_version_and_of_the_scripts_alone_are_passed_over() -> None:
    assert decode(sequence=b"17", first_status=b"pending", attempts_kept=b"2", of_tomorrow=b"\xff") == decode()


def test_attempts_come_in_the_order_in_which_they_were_kept() -> None:
    kept = {b"attempt:%d" % number: b"raised %d 1 2 alpha 3 4 {}" % number for number in (10, 9, 11, 2)}
    job = JobRecord.decode("the-id", 2000, MINIMAL | kept)
    assert [attempt.attempt for attempt in job.attempts] == [2, 9, 10, 11]


@pytest.mark.parametrize("status", [b"pending", b"scheduled"])
def test_a_job_not_started_is_expired_from_its_time_on(status: bytes) -> None:
    before = decode(now_ms=4999, status=status, expires_ms=b"5000")
    assert (before.status, before.ended_ms) == (status.decode(), None)
    after = decode(now_ms=5000, status=status, expires_ms=b"5000")
    assert (after.status, after.ended_ms, after.ended) == (JobState.EXPIRED, 5000, True)


@pytest.mark.parametrize("status", [b"running", b"succeeded", b"failed", b"cancelled"])
def test_a_job_that_was_started_is_what_it_is(status: bytes) -> None:
    assert decode(now_ms=9000, status=status, expires_ms=b"5000").status == status.decode()


@pytest.mark.parametrize("budget", ["failures", "crashes"])
def test_a_job_with_a_spent_attempt_does_not_expire(budget: str) -> None:
    assert decode(now_ms=9000, expires_ms=b"5000", **{budget: b"1"}).status is JobState.PENDING


@pytest.mark.parametrize("state", JobState)
def test_a_job_has_ended_in_a_terminal_state_only(state: JobState) -> None:
    assert decode(status=state.value.encode()).ended is (state in ENDED)


def test_an_attempt_is_seven_words_and_json_that_may_hold_spaces() -> None:
    line = (
        b"out_of_memory 2 1100 1200 my-host.example 1764000000000000 77 "
        b'{"error":{"type":"OutOfMemory","message":"killed by the kernel"},"signal":"SIGKILL","exit_code":-9}'
    )
    detail = AttemptDetail(
        error=ErrorInfo("OutOfMemory", "killed by the kernel"), signal="SIGKILL", exit_code=-9
    )  # fmt: skip
    assert Attempt.decode(line) == Attempt(
        Outcome.OUT_OF_MEMORY, 2, 1100, 1200, "my-host.example", 1764000000000000, 77, detail
    )


def test_an_attempt_that_nobody_saw_end_has_no_detail() -> None:
    assert Attempt.decode(b"lost 1 1 2 alpha 3 4 {}").detail == AttemptDetail()


@pytest.mark.parametrize("receipt", [Receipt(1.5, 1.25, 0.25, 4096), Receipt(86_399.123456, 345_596.123456, 1e-06)])
def test_a_receipt_is_kept_as_a_list_that_a_small_hash_can_hold(receipt: Receipt) -> None:
    encoded = receipt.encode()
    assert Receipt.decode(encoded) == receipt
    assert len(encoded) <= 64


def test_a_receipt_of_an_earlier_version_is_read_by_its_names() -> None:
    written = b'{"wall_seconds":1.5,"cpu_user_seconds":1.0,"cpu_system_seconds":0.25,"peak_rss_bytes":null}'
    assert Receipt.decode(written) == Receipt(1.5, 1.0, 0.25)


@pytest.mark.parametrize("value", [b"", b"7", b"[]", b"[1.0]", b'["a",1,1,1]', b'{"wall_seconds":1.5}', b"[1,1,1,1,1]"])
def test_what_is_no_receipt_is_refused(value: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        Receipt.decode(value)
