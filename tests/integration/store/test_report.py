"""`report`, and the output that comes with a settle: each byte once, whoever brings it."""

import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from jobworker.store.claims import Attempted, Claim
from jobworker.store.errors import Reaped
from jobworker.store.ids import new_job_id
from jobworker.store.report import AttemptReport, LogChunk, Progress
from jobworker.store.states import Outcome
from tests.support.watched_redis import START_MS
from tests.support.world import Supervisor, World, settling

HEAD_BYTES, TAIL_BYTES = 65_536, 196_608
HALF = Progress(0.5, "half")


def log_of(world: World, job_id: str) -> tuple[dict[str, int], list[tuple[int, int, int, bytes]]]:
    """Return the counters, and the chunks as (read_ms, attempt, at, data)."""
    fields: Any = world.client.hgetall(world.keys.log(job_id))
    counters = {name.decode(): value for name, value in fields.items() if not name.isdigit()}
    chunks = []
    for _, value in sorted((int(name), value) for name, value in fields.items() if name.isdigit()):
        read_ms, attempt, at, data = value.split(b" ", 3)
        chunks.append((int(read_ms), int(attempt), int(at), data))
    return {name: int(value) for name, value in counters.items() if name != "position"}, chunks


def kept(world: World, job_id: str) -> bytes:
    """Return what is kept of the output, with `…` where something is left out."""
    parts, end = [], 0
    for _, _, at, data in log_of(world, job_id)[1]:
        parts += [b"\xe2\x80\xa6"] * (at > end) + [data]
        end = at + len(data)
    return b"".join(parts)


def chunks_of(data: bytes, size: int, at: int = 0) -> Iterator[LogChunk]:
    """Cut what an attempt prints from byte `at` on."""
    for start in range(0, len(data), size):
        yield LogChunk(at + start, START_MS, data[start : start + size])


def print_all(alpha: Supervisor, claim: Claim, chunks: Sequence[LogChunk]) -> None:
    for start in range(0, len(chunks), 20):
        assert alpha.tell(claim, *chunks[start : start + 20]) == "ok"


@pytest.fixture
def claim(world: World, alpha: Supervisor) -> Claim:
    world.enqueue()
    return alpha.claim_one()


def test_progress_is_in_the_record_with_the_time_of_redis(world: World, alpha: Supervisor, claim: Claim) -> None:
    world.advance(5)
    assert alpha.tell(claim, progress=HALF) == "ok"
    job = world.store.get(claim.id)
    assert (job.progress, job.progress_ms, job.log_bytes) == (HALF, START_MS + 5, 0)
    assert f"job:{claim.id}:log" not in world.snapshot()


def test_a_report_without_progress_leaves_the_last_one(world: World, alpha: Supervisor, claim: Claim) -> None:
    alpha.tell(claim, progress=HALF)
    alpha.tell(claim, LogChunk(0, START_MS, b"on"))
    assert world.store.get(claim.id).progress == HALF


def test_output_is_kept_with_its_time_and_its_attempt(world: World, alpha: Supervisor, claim: Claim) -> None:
    alpha.tell(claim, LogChunk(0, START_MS + 1, b"one\n"), LogChunk(4, START_MS + 2, b"\x00 \xff"))
    alpha.tell(claim, LogChunk(7, START_MS + 3, b"three"))
    counters, chunks = log_of(world, claim.id)
    assert chunks == [
        (START_MS + 1, 1, 0, b"one\n"),
        (START_MS + 2, 1, 4, b"\x00 \xff"),
        (START_MS + 3, 1, 7, b"three"),
    ]
    assert counters == {
        "next": 3,
        "head_chunks": 3,
        "oldest": 3,
        "head_bytes": 12,
        "tail_bytes": 0,
        "written_bytes": 12,
    }
    assert world.store.get(claim.id).log_bytes == 12


def test_a_report_changes_nothing_but_the_log_and_the_progress(world: World, alpha: Supervisor, claim: Claim) -> None:
    before = world.snapshot()
    alpha.tell(claim, LogChunk(0, START_MS, b"x"), progress=HALF)
    changed = world.changes_since(before)
    assert changed.keys() == {f"job:{claim.id}", f"job:{claim.id}:log"}
    assert changed[f"job:{claim.id}"].keys() == {"progress", "progress_ms", "log_bytes"}


def test_many_attempts_are_reported_on_in_one_call(world: World, alpha: Supervisor) -> None:
    for _ in range(3):
        world.enqueue()
    one, two, three = alpha.claim(3)
    alpha.settle(two, Outcome.SUCCEEDED)
    attempts = [*((claim.id, claim.token) for claim in (one, two, three)), (new_job_id(), 1)]
    reports = [AttemptReport(*attempt, HALF, (LogChunk(0, START_MS, b"x"),)) for attempt in attempts]
    assert alpha.report(*reports) == ["ok", "stale", "ok", "missing"]
    assert [world.store.get(claim.id).log_bytes for claim in (one, two, three)] == [1, 0, 1]
    assert alpha.report() == []


@pytest.mark.parametrize("ending", [Outcome.SUCCEEDED, Outcome.CRASHED, Outcome.SHUTDOWN])
def test_an_attempt_that_has_ended_writes_nothing(
    world: World, alpha: Supervisor, claim: Claim, ending: Outcome
) -> None:
    alpha.settle(claim, ending)
    before = world.snapshot()
    assert alpha.tell(claim, LogChunk(0, START_MS, b"x"), progress=HALF) == "stale"
    assert world.snapshot() == before


def test_an_earlier_attempt_writes_nothing_into_a_later_one(world: World, alpha: Supervisor, claim: Claim) -> None:
    alpha.settle(claim, Outcome.CRASHED)
    assert alpha.claim_one().id == claim.id
    before = world.snapshot()
    assert alpha.tell(claim, LogChunk(0, START_MS, b"x"), progress=HALF) == "stale"
    assert world.snapshot() == before


def test_another_supervisor_writes_nothing_with_the_right_token(world: World, alpha: Supervisor, claim: Claim) -> None:
    beta = world.register("beta")
    before = world.snapshot()
    assert beta.tell(claim, LogChunk(0, START_MS, b"x"), progress=HALF) == "stale"
    assert world.snapshot() == before


# What comes twice.


def test_a_report_that_is_repeated_writes_nothing_again(world: World, alpha: Supervisor, claim: Claim) -> None:
    chunks = [LogChunk(0, START_MS, b"one"), LogChunk(3, START_MS, b"two")]
    alpha.tell(claim, *chunks)
    before = world.snapshot()
    assert alpha.tell(claim, *chunks) == "ok"
    assert world.snapshot() == before


def test_a_chunk_that_has_come_in_part_is_completed(world: World, alpha: Supervisor, claim: Claim) -> None:
    alpha.tell(claim, LogChunk(0, START_MS, b"abc"))
    alpha.tell(claim, LogChunk(1, START_MS, b"bcdef"))
    assert kept(world, claim.id) == b"abcdef"


def test_a_late_copy_of_an_older_report_writes_nothing(world: World, alpha: Supervisor, claim: Claim) -> None:
    alpha.tell(claim, LogChunk(0, START_MS, b"abc"))
    alpha.tell(claim, LogChunk(3, START_MS, b"def"))
    alpha.tell(claim, LogChunk(0, START_MS, b"abc"))
    assert kept(world, claim.id) == b"abcdef"
    assert world.store.get(claim.id).log_bytes == 6


def test_what_is_missing_is_counted_where_it_is_missing(world: World, alpha: Supervisor, claim: Claim) -> None:
    alpha.tell(claim, LogChunk(0, START_MS, b"abc"), LogChunk(10, START_MS, b"xyz"))
    assert kept(world, claim.id) == "abc…xyz".encode()
    assert log_of(world, claim.id)[0]["written_bytes"] == 13


@pytest.mark.parametrize("printed", [3, HEAD_BYTES], ids=["head", "tail"])
def test_what_is_missing_at_the_end_is_told_too(world: World, alpha: Supervisor, claim: Claim, printed: int) -> None:
    print_all(alpha, claim, list(chunks_of(b"x" * printed, 32_768)))
    alpha.tell(claim, LogChunk(printed + 7, START_MS, b""))
    assert kept(world, claim.id) == b"x" * printed + "…".encode()
    assert world.store.get(claim.id).log_bytes == printed + 7


def test_whatever_is_repeated_in_whatever_order_each_byte_is_written_once(
    world: World, alpha: Supervisor, claim: Claim
) -> None:
    """Reports are lost and come late; what is not acknowledged comes again, in the end with the settle."""
    choose = random.Random(4)
    output = choose.randbytes(3000)
    chunks = list(chunks_of(output, 100))
    for reached in range(1, len(chunks) + 1):
        begin = choose.randrange(reached)
        alpha.tell(claim, *chunks[begin if kept(world, claim.id) else 0 : reached])
    alpha.settle(claim, Outcome.SUCCEEDED, log=tuple(chunks[-7:]))
    assert kept(world, claim.id) == output


# With the settle.


@pytest.mark.parametrize("outcome", [Outcome.SUCCEEDED, Outcome.RAISED, Outcome.CRASHED, Outcome.SHUTDOWN])
def test_the_last_output_comes_with_the_settle(world: World, alpha: Supervisor, claim: Claim, outcome: Outcome) -> None:
    alpha.tell(claim, LogChunk(0, START_MS, b"abc"))
    alpha.settle(claim, outcome, log=(LogChunk(0, START_MS, b"abc"), LogChunk(3, START_MS, b"def")))
    assert kept(world, claim.id) == b"abcdef"


def test_output_of_many_settles_belongs_to_each_one_s_job(world: World, alpha: Supervisor) -> None:
    for _ in range(3):
        world.enqueue()
    claims = alpha.claim(3)
    texts = [(b"a", b"b"), (), (b"c",)]
    settles = [
        settling(claim, Outcome.SUCCEEDED, log=tuple(LogChunk(at, START_MS, text) for at, text in enumerate(printed)))
        for claim, printed in zip(claims, texts, strict=True)
    ]
    assert alpha.exchange(*settles).words == ["succeeded"] * 3
    assert [kept(world, claim.id) for claim in claims] == [b"ab", b"", b"c"]


def test_output_of_a_stale_settle_is_not_written(world: World, alpha: Supervisor, claim: Claim) -> None:
    alpha.settle(claim, Outcome.CRASHED)
    assert alpha.settle(claim, Outcome.CRASHED, log=(LogChunk(0, START_MS, b"x"),)) == "stale"
    assert kept(world, claim.id) == b""


def test_an_exchange_that_is_repeated_writes_output_once(world: World, alpha: Supervisor, claim: Claim) -> None:
    settle = settling(claim, Outcome.SHUTDOWN, log=(LogChunk(0, START_MS, b"x"),))
    alpha.exchange(settle)
    alpha.exchange(settle, call=alpha.calls)
    assert kept(world, claim.id) == b"x"


def test_the_next_attempt_goes_on_in_the_same_log(world: World, alpha: Supervisor, claim: Claim) -> None:
    alpha.settle(claim, Outcome.CRASHED, log=(LogChunk(0, START_MS, b"first\n"),))
    beta = world.register("beta")
    again = beta.claim_one()
    beta.tell(again, LogChunk(0, START_MS + 9, b"second\n"))
    assert log_of(world, claim.id)[1] == [(START_MS, 1, 0, b"first\n"), (START_MS + 9, 2, 6, b"second\n")]


# Of much, the first and the last.


@pytest.mark.parametrize("size", [1000, 32_768])
@pytest.mark.parametrize("surplus", [0, 1, 40_000])
def test_the_first_64_kib_and_the_last_192_are_kept_to_the_byte(
    world: World, alpha: Supervisor, claim: Claim, size: int, surplus: int
) -> None:
    output = random.Random(1).randbytes(HEAD_BYTES + TAIL_BYTES + surplus)
    print_all(alpha, claim, list(chunks_of(output, size)))
    gap = b"\xe2\x80\xa6" if surplus else b""
    assert kept(world, claim.id) == output[:HEAD_BYTES] + gap + output[-TAIL_BYTES:]
    counters, _ = log_of(world, claim.id)
    assert (counters["head_bytes"], counters["tail_bytes"]) == (HEAD_BYTES, TAIL_BYTES)
    assert counters["written_bytes"] == len(output)


def test_what_one_settle_brings_is_trimmed_too(world: World, alpha: Supervisor, claim: Claim) -> None:
    output = b"x" * (HEAD_BYTES + TAIL_BYTES) + b"the end"
    alpha.settle(claim, Outcome.SUCCEEDED, log=tuple(chunks_of(output, 32_768)))
    assert len(kept(world, claim.id).removesuffix(b"the end")) == HEAD_BYTES + TAIL_BYTES - 7 + len("…".encode())


def test_a_million_dots_do_not_become_a_million_fields(world: World, alpha: Supervisor, claim: Claim) -> None:
    count = 5000
    dots = [LogChunk(at, START_MS + at, b".") for at in range(count)]
    for start in range(0, count, 500):
        alpha.tell(claim, *dots[start : start + 500])
    counters, chunks = log_of(world, claim.id)
    assert kept(world, claim.id) == b"." * count
    assert counters["next"] == len(chunks) == 1000 + 3
    assert [read_ms - START_MS for read_ms, *_ in chunks[998:]] == [998, 999, 2023, 3047, 4071]


def test_the_tail_of_many_small_chunks_is_exact(world: World, alpha: Supervisor, claim: Claim) -> None:
    output = b"".join(b"%d\n" % number for number in range(50_000))
    chunks = list(chunks_of(output, 50))
    for start in range(0, len(chunks), 500):
        alpha.tell(claim, *chunks[start : start + 500])
    assert kept(world, claim.id) == output[:HEAD_BYTES] + "…".encode() + output[-TAIL_BYTES:]
    assert log_of(world, claim.id)[0]["next"] < 3000


def test_a_log_that_somebody_has_damaged_is_trimmed_all_the_same(world: World, alpha: Supervisor, claim: Claim) -> None:
    chunks = list(chunks_of(b"x" * (HEAD_BYTES + 2 * TAIL_BYTES), 32_768))
    print_all(alpha, claim, chunks[:6])
    world.client.hdel(world.keys.log(claim.id), "3")
    world.client.hset(world.keys.log(claim.id), "4", "?")
    print_all(alpha, claim, chunks[6:])
    assert log_of(world, claim.id)[0]["written_bytes"] == HEAD_BYTES + 2 * TAIL_BYTES


# Its life is the record's.


def test_a_put_back_and_an_end_keep_the_progress_and_the_next_attempt_begins_with_none(
    world: World, alpha: Supervisor, claim: Claim
) -> None:
    alpha.tell(claim, progress=HALF)
    alpha.settle(claim, Outcome.CRASHED)
    assert world.store.get(claim.id).progress == HALF
    again = alpha.claim_one()
    assert (world.store.get(claim.id).progress, world.store.get(claim.id).progress_ms) == (None, None)
    alpha.tell(again, progress=HALF)
    alpha.settle(again, Outcome.RAISED, final=True)
    assert world.store.get(claim.id).progress == HALF


@pytest.mark.parametrize("outcome", [Outcome.SUCCEEDED, Outcome.RAISED])
def test_a_settle_brings_the_last_progress(world: World, alpha: Supervisor, claim: Claim, outcome: Outcome) -> None:
    alpha.tell(claim, progress=HALF)
    world.advance(5)
    last = Progress(0.75, "all but done")
    alpha.settle(claim, outcome, progress=last)
    job = world.store.get(claim.id)
    assert (job.progress, job.progress_ms) == (last, START_MS + 5)


def test_a_settle_that_comes_too_late_brings_no_progress(world: World, alpha: Supervisor, claim: Claim) -> None:
    alpha.tell(claim, progress=HALF)
    alpha.settle(claim, Outcome.SUCCEEDED)
    assert alpha.settle(claim, Outcome.RAISED, progress=Progress(0.1)) == "stale"
    assert world.store.get(claim.id).progress == HALF


def test_a_retry_keeps_the_log_and_clears_the_progress(world: World, alpha: Supervisor, claim: Claim) -> None:
    alpha.tell(claim, LogChunk(0, START_MS, b"first\n"), progress=HALF)
    alpha.settle(claim, Outcome.SUCCEEDED)
    world.store.retry(claim.id)
    job = world.store.get(claim.id)
    assert (job.progress, job.progress_ms, job.log_bytes) == (None, None, 6)
    assert world.ttl_ms(world.keys.log(claim.id)) == -1
    alpha.tell(alpha.claim_one(), LogChunk(0, START_MS, b"again\n"))
    assert kept(world, claim.id) == b"first\nagain\n"


@pytest.mark.parametrize("brought_by", ["report", "settle"])
def test_the_log_of_an_ended_job_has_the_ttl_of_its_record(
    world: World, alpha: Supervisor, claim: Claim, brought_by: str
) -> None:
    chunk = LogChunk(0, START_MS, b"x")
    if brought_by == "report":
        alpha.tell(claim, chunk)
    alpha.settle(claim, Outcome.SUCCEEDED, log=(chunk,) * (brought_by == "settle"))
    record_ms, log_ms = world.ttl_ms(world.keys.job(claim.id)), world.ttl_ms(world.keys.log(claim.id))
    assert 0 <= record_ms - log_ms + 50 <= 100


def test_the_log_of_a_job_cancelled_while_it_waits_has_one_too(world: World, alpha: Supervisor, claim: Claim) -> None:
    alpha.settle(claim, Outcome.CRASHED, log=(LogChunk(0, START_MS, b"x"),))
    world.store.cancel(claim.id)
    assert world.ttl_ms(world.keys.log(claim.id)) > 0


def test_a_deleted_job_takes_its_log_along(world: World, alpha: Supervisor, claim: Claim) -> None:
    alpha.settle(claim, Outcome.SUCCEEDED, log=(LogChunk(0, START_MS, b"x"),))
    world.store.delete(claim.id)
    assert not [key for key in world.snapshot() if key.startswith("job:")]


def test_a_swept_job_takes_its_log_along(world: World, alpha: Supervisor, claim: Claim) -> None:
    alpha.settle(claim, Outcome.SUCCEEDED, log=(LogChunk(0, START_MS, b"x"),))
    world.advance(world.terms.retention.keep_ms)
    assert alpha.sweep() == 0
    assert not [key for key in world.snapshot() if key.startswith("job:")]


def test_a_job_without_output_has_no_log(world: World, alpha: Supervisor, claim: Claim) -> None:
    alpha.settle(claim, Outcome.SUCCEEDED, result=b"1")
    assert [key for key in world.snapshot() if key.startswith("job:")] == [f"job:{claim.id}"]
    assert world.store.get(claim.id).log_bytes == 0


def test_a_reaped_incarnation_is_told_so(world: World, alpha: Supervisor, claim: Claim) -> None:
    alpha.leave()
    with pytest.raises(Reaped):
        alpha.tell(Attempted(claim.id, claim.token), progress=HALF)
