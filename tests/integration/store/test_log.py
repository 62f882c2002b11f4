"""`log`: what a job has printed, read in whole and bit by bit."""

import random

import pytest

from jobworker.store.claims import Claim
from jobworker.store.errors import JobNotFound
from jobworker.store.ids import new_job_id
from jobworker.store.log import LogMark, LogPiece
from jobworker.store.report import LogChunk
from jobworker.store.states import Outcome
from tests.support.watched_redis import START_MS
from tests.support.world import Supervisor, World

KEPT_BYTES = 262_144


@pytest.fixture
def claim(world: World, alpha: Supervisor) -> Claim:
    world.enqueue()
    return alpha.claim_one()


def put_out(alpha: Supervisor, claim: Claim, at: int, *texts: bytes) -> int:
    """Let the job print; return where it stands then."""
    for text in texts:
        alpha.tell(claim, LogChunk(at, START_MS, text))
        at += len(text)
    return at


def test_a_job_without_output_has_no_pieces(world: World, claim: Claim) -> None:
    page = world.store.log(claim.id)
    assert (page.status, page.ended, page.pieces, page.end) == ("running", False, [], LogMark())


def test_what_was_printed_comes_with_its_time_and_attempt(world: World, alpha: Supervisor, claim: Claim) -> None:
    alpha.settle(claim, Outcome.CRASHED, log=(LogChunk(0, START_MS + 1, b"one\n"),))
    alpha.settle(alpha.claim_one(), Outcome.SUCCEEDED, log=(LogChunk(0, START_MS + 2, b"\x00 two"),))
    page = world.store.log(claim.id)
    assert page.pieces == [LogPiece(0, 0, START_MS + 1, 1, b"one\n"), LogPiece(4, 0, START_MS + 2, 2, b"\x00 two")]
    assert (page.ended, page.end) == (True, LogMark(9, 1))


def test_a_reader_goes_on_where_he_was(world: World, alpha: Supervisor, claim: Claim) -> None:
    put_out(alpha, claim, 0, b"one", b"two")
    end = world.store.log(claim.id).end
    assert world.store.log(claim.id, end).pieces == []
    put_out(alpha, claim, 6, b"three")
    page = world.store.log(claim.id, end)
    assert page.pieces == [LogPiece(6, 0, START_MS, 1, b"three")]
    assert world.store.log(claim.id, page.end).pieces == []


def test_a_reader_may_begin_at_any_byte(world: World, alpha: Supervisor, claim: Claim) -> None:
    put_out(alpha, claim, 0, b"one", b"two")
    assert world.store.log(claim.id, LogMark(2)).pieces == [
        LogPiece(2, 0, START_MS, 1, b"e"),
        LogPiece(3, 0, START_MS, 1, b"two"),
    ]
    beyond = world.store.log(claim.id, LogMark(100))
    assert (beyond.pieces, beyond.end.at) == ([], 100)


def test_what_is_left_out_is_told_where_it_is(world: World, alpha: Supervisor, claim: Claim) -> None:
    put_out(alpha, claim, 0, *[b"x" * 32_768] * 10)
    alpha.tell(claim, LogChunk(10 * 32_768 + 5, START_MS, b""))
    pieces = world.store.log(claim.id).pieces
    gaps = [(piece.at, piece.left_out) for piece in pieces if piece.left_out]
    assert gaps == [(4 * 32_768, 2 * 32_768), (10 * 32_768 + 5, 5)]
    assert sum(len(piece.data) for piece in pieces) == KEPT_BYTES


def test_a_reader_who_was_overtaken_hears_what_he_missed(world: World, alpha: Supervisor, claim: Claim) -> None:
    at = put_out(alpha, claim, 0, *[b"x" * 32_768] * 3)
    end = world.store.log(claim.id).end
    put_out(alpha, claim, at, *[b"y" * 32_768] * 12)
    page = world.store.log(claim.id, end)
    assert page.pieces[0].data == page.pieces[1].data[:1] * 32_768 == page.pieces[-1].data == b"y" * 32_768
    assert sum(piece.left_out + len(piece.data) for piece in page.pieces) == 12 * 32_768
    assert page.end.at == 15 * 32_768


def test_whoever_reads_again_and_again_sees_what_was_printed(world: World, alpha: Supervisor, claim: Claim) -> None:
    """Also where small chunks are joined behind his back."""
    choose = random.Random(7)
    output = choose.randbytes(6000)
    mark, read = LogMark(), b""
    for start in range(0, len(output), 50):
        dots = [LogChunk(at, START_MS, output[at : at + 2]) for at in range(start, start + 50, 2)]
        alpha.tell(claim, *dots)
        if choose.random() < 0.3:
            page = world.store.log(claim.id, mark)
            read, mark = read + b"".join(piece.data for piece in page.pieces), page.end
    read += b"".join(piece.data for piece in world.store.log(claim.id, mark).pieces)
    assert read == output


def test_a_job_that_has_expired_unseen_has_ended(world: World) -> None:
    job_id = world.enqueue(expires_at_ms=START_MS + 10)
    world.advance(10)
    assert world.store.log(job_id).status == "expired"


def test_an_unknown_job_has_no_log(world: World) -> None:
    with pytest.raises(JobNotFound):
        world.store.log(new_job_id())


def test_a_damaged_log_is_read_as_far_as_it_is_there(world: World, alpha: Supervisor, claim: Claim) -> None:
    put_out(alpha, claim, 0, b"one", b"two", b"three")
    world.client.hdel(world.keys.log(claim.id), "1")
    assert [(piece.left_out, piece.data) for piece in world.store.log(claim.id).pieces] == [(0, b"one"), (3, b"three")]
