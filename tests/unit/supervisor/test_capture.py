"""What one attempt has for Redis."""

from collections.abc import Iterator

import pytest

from jobworker.store.claims import Attempted
from jobworker.store.report import Progress
from jobworker.supervisor.board import Board
from jobworker.supervisor.capture import CHUNK_BYTES, HEAD_BYTES, LOOKS, TAIL_BYTES, Capture


@pytest.fixture
def board() -> Iterator[Board]:
    board = Board()
    yield board
    board.close()


@pytest.fixture
def capture(board: Board) -> Capture:
    return Capture(Attempted("job-1", 100), board)


def test_output_is_numbered_by_what_came_before(capture: Capture) -> None:
    capture.add(5, b"one\n")
    capture.add(6, b"two\n")
    assert [(chunk.at, chunk.read_ms, chunk.data) for chunk in capture.chunks] == [(0, 5, b"one\n"), (4, 6, b"two\n")]


def test_what_redis_has_is_forgotten_and_what_came_meanwhile_is_not(capture: Capture) -> None:
    capture.add(5, b"one\n")
    report = capture.report()
    assert report is not None
    assert (report.id, report.token, report.progress) == ("job-1", 100, None)
    capture.add(6, b"two\n")
    capture.taken(report)
    assert [(chunk.at, chunk.data) for chunk in capture.chunks] == [(4, b"two\n")]
    assert capture.report() is not None


def test_an_attempt_that_says_nothing_reports_nothing(capture: Capture) -> None:
    assert capture.report() is None


def test_a_flood_keeps_its_beginning_and_its_end(capture: Capture) -> None:
    for number in range(1000):
        capture.add(0, bytes([number % 256]) * CHUNK_BYTES)
    chunks = capture.chunks
    assert sum(len(chunk.data) for chunk in chunks) == HEAD_BYTES + TAIL_BYTES
    assert [chunk.at for chunk in chunks[:3]] == [0, CHUNK_BYTES, 994 * CHUNK_BYTES]
    assert chunks[-1].at == 999 * CHUNK_BYTES


@pytest.mark.parametrize("size", [1, 999, CHUNK_BYTES - 1, 2 * CHUNK_BYTES])
def test_the_end_of_a_flood_is_kept_to_the_byte_however_it_is_read(capture: Capture, size: int) -> None:
    written = bytes(range(251)) * 2000
    for start in range(0, len(written), size):
        capture.add(0, written[start : start + size])
    chunks = capture.chunks
    kept = [chunk for chunk in chunks if chunk.at >= len(written) - TAIL_BYTES]
    assert b"".join(chunk.data for chunk in kept) == written[-TAIL_BYTES:]
    assert all(written[chunk.at :].startswith(chunk.data) for chunk in chunks)
    assert sum(len(chunk.data) for chunk in chunks) < HEAD_BYTES + TAIL_BYTES + CHUNK_BYTES


def test_what_redis_has_is_forgotten_also_if_it_was_cut_meanwhile(capture: Capture) -> None:
    capture.add(0, b"x" * (HEAD_BYTES + TAIL_BYTES))
    report = capture.report()
    assert report is not None
    capture.add(1, b"y" * 10)
    capture.taken(report)
    assert [(chunk.at, chunk.data) for chunk in capture.chunks] == [(HEAD_BYTES + TAIL_BYTES, b"y" * 10)]


def test_one_read_makes_chunks_of_bounded_size(capture: Capture) -> None:
    capture.add(0, b"x" * (2 * CHUNK_BYTES + 1))
    assert [len(chunk.data) for chunk in capture.chunks] == [CHUNK_BYTES, CHUNK_BYTES, 1]


def test_a_progress_is_told_once(capture: Capture, board: Board) -> None:
    board.write_progress(0.5, "half")
    capture.nudged()
    report = capture.report()
    assert report is not None
    assert report.progress == Progress(0.5, "half")
    capture.taken(report)
    assert capture.looks_again
    assert capture.report() is None
    assert not capture.looks_again


def test_a_progress_written_after_the_first_look_is_seen_by_the_second(capture: Capture, board: Board) -> None:
    board.write_progress(0.1, "")
    capture.nudged()
    first = capture.report()
    assert first is not None
    capture.taken(first)
    board.write_progress(None, "and on")
    second = capture.report()
    assert second is not None
    assert second.progress == Progress(None, "and on")


def test_a_report_that_failed_is_made_again_whole(capture: Capture, board: Board) -> None:
    capture.add(5, b"one\n")
    board.write_progress(0.5, "half")
    capture.nudged()
    reports = [capture.report() for _ in range(LOOKS)]
    capture.failed()
    assert reports[0] is not None
    assert capture.report() == reports[0]


def test_an_attempt_that_ends_leaves_its_last_progress_unless_redis_has_it(capture: Capture, board: Board) -> None:
    board.write_progress(0.5, "half")
    capture.nudged()
    report = capture.report()
    assert report is not None
    board.write_progress(0.9, "nearly, without a nudge")
    assert capture.last_progress() == Progress(0.9, "nearly, without a nudge")
    capture.taken(report)
    board.write_progress(0.5, "half")
    assert capture.last_progress() is None


def test_where_no_progress_was_told_the_board_is_not_looked_at(capture: Capture, board: Board) -> None:
    board.write_progress(0.5, "of the attempt before")
    capture.add(5, b"one\n")
    capture.failed()
    report = capture.report()
    assert report is not None
    assert report.progress is None
    assert capture.last_progress() is None
