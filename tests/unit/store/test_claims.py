"""What passes between a supervisor and Redis, as arguments and rows."""

import msgspec
import pytest

from jobworker.store.backoff import Backoff
from jobworker.store.claims import Attempted, Claim, Settle, Unreadable, decode_attempts, decode_claim
from jobworker.store.job import AttemptDetail, ErrorInfo, NewJob, Receipt
from jobworker.store.report import LogChunk, Progress
from jobworker.store.states import Outcome

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 congo=t61"
ROW: list[bytes | int] = [
    *(b"the-id", b"1764000000000001", b"1", 3, b"77", b"resize", b"images", b"\x00\xff", b"2500", b"4", b"6", b"512"),
    *(b'{"base":2.0,"factor":3.0,"max":9.0,"jitter":false}', b"1000", TRACE.encode(), b"customer=42 nightly"),
]


def test_a_row_is_a_claim() -> None:
    assert Claim.decode(ROW) == Claim(
        id="the-id",
        token=1764000000000001,
        type="resize",
        queue="images",
        payload=b"\x00\xff",
        attempt=3,
        timeout_ms=2500,
        max_attempts=4,
        max_crashes=6,
        failures=1,
        backoff=Backoff(2.0, 3.0, 9.0, jitter=False),
        created_ms=1000,
        worker=77,
        memory_limit_mb=512,
        trace=TRACE,
        tags=("customer=42", "nightly"),
    )


def test_what_is_logged_of_a_claim_names_its_trace() -> None:
    assert Claim.decode(ROW).logged == {"trace_id": "0af7651916cd43dd8448eb211c80319c"}
    assert Claim.decode([*ROW[:-2], None, None]).logged == {}


def test_what_nobody_has_said_is_none() -> None:
    row: list[bytes | int | None] = list(ROW)
    row[8:13] = [None] * 5
    claim = Claim.decode(row)
    assert (claim.timeout_ms, claim.max_attempts, claim.max_crashes, claim.backoff) == (None, None, None, None)


def test_a_settle_is_fifteen_arguments_and_three_a_chunk() -> None:
    error, receipt = ErrorInfo("ValueError", "no"), Receipt(1.5, 1.0, 0.25)
    detail, log = AttemptDetail(error=error, exit_code=3), (LogChunk(0, 1000, b"one"), LogChunk(3, 1001, b"two"))
    settle = Settle("the-id", 7, Outcome.RAISED, 4, 6, final=True, delay_ms=1500, reason="why", error=error)
    settle = msgspec.structs.replace(settle, result=b"\x00", receipt=receipt, detail=detail, log=log)
    settle = msgspec.structs.replace(settle, progress=Progress(0.5, "half"))
    assert settle.arguments() == [
        *("the-id", 7, "raised", 1, 1500, "why", msgspec.json.encode(error), b"\x00"),
        *(b"[1.5,1.0,0.25,null]", msgspec.json.encode(detail), 4, 6, b'{"fraction":0.5,"message":"half"}'),
        *(2, 0, 1000, b"one", 3, 1001, b"two", 0),
    ]


def test_follow_ups_stand_behind_a_settle_as_they_are_enqueued() -> None:
    jobs = (NewJob("1", "mail", payload=b"7", delay_ms=5), NewJob("2", "mail", timeout_ms=9, backoff=Backoff()))
    settle = Settle("the-id", 7, Outcome.SUCCEEDED, 3, 3, follow_ups=jobs)
    plain = Settle("the-id", 7, Outcome.SUCCEEDED, 3, 3).arguments()
    assert settle.arguments() == [*plain[:-1], 2, *jobs[0].arguments(), *jobs[1].arguments()]
    assert jobs[0].arguments() == ["1", "mail", "default", 5, b"7", 5, "", "", "", 0]
    sent = sum(len(str(item)) if not isinstance(item, bytes) else len(item) for item in settle.arguments())
    assert sent <= settle.size_bytes


def test_a_settle_without_more_to_say_has_empty_arguments() -> None:
    settle = Settle("the-id", 7, Outcome.SUCCEEDED, 3, 3)
    assert settle.arguments() == ["the-id", 7, "succeeded", 0, 0, "", b"", b"", b"", b"", 3, 3, b"", 0, 0]


@pytest.mark.parametrize("result_bytes", [0, 1_048_576])
def test_the_size_of_a_settle_covers_what_it_sends(result_bytes: int) -> None:
    error = ErrorInfo("ValueError", "no", "x" * 10_000)
    settle = Settle("i" * 36, 2**52, Outcome.RAISED, 100, 1000, error=error, result=b"x" * result_bytes)
    log = (LogChunk(2**52, 2**52, b"x" * 9000),)
    progress = Progress(None, "é" * 500)
    settle = msgspec.structs.replace(settle, detail=AttemptDetail(error=error), log=log, progress=progress)
    sent = sum(len(str(item)) if not isinstance(item, bytes) else len(item) for item in settle.arguments())
    assert sent <= settle.size_bytes <= sent + 500


def test_flat_pairs_are_attempts() -> None:
    assert decode_attempts([]) == []
    assert decode_attempts([b"a", b"1", b"b", b"22"]) == [Attempted("a", 1), Attempted("b", 22)]


@pytest.mark.parametrize("damage", [{5: None}, {8: b"x"}, {12: b"[]"}, {13: None}], ids=str)
def test_a_row_that_somebody_has_damaged_says_whose_and_why(damage: dict[int, bytes | None]) -> None:
    row: list[bytes | int | None] = [damage.get(index, value) for index, value in enumerate(ROW)]
    unreadable = decode_claim(row)
    assert isinstance(unreadable, Unreadable)
    assert unreadable.attempted == Attempted("the-id", 1764000000000001)
    assert unreadable.why
