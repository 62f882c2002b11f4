"""How requests are read off the wire."""

import math
import time

import pytest
from waitress.adjustments import Adjustments

from jobworker.api.parser import (
    MAX_BATCH_BODY_BYTES,
    MAX_BODY_BYTES,
    MAX_HEADERS,
    MAX_JOB_BODY_BYTES,
    MAX_PARAMETERS,
    MAX_TARGET_BYTES,
    RequestParser,
)


def parse(*pieces: bytes) -> RequestParser:
    parser = RequestParser(Adjustments())
    for piece in pieces:
        parser.received(piece)
    return parser


def head(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", *headers, "", ""]).encode()


def code_of(parser: RequestParser) -> int | None:
    return None if parser.error is None else parser.error.code


@pytest.mark.parametrize(
    ("path", "limit"),
    [
        ("/jobs", MAX_JOB_BODY_BYTES),
        ("/jobs/", MAX_JOB_BODY_BYTES),
        ("/jobs/batch", MAX_BATCH_BODY_BYTES),
        ("/jobs/pause", MAX_BODY_BYTES),
        ("/nope", MAX_BODY_BYTES),
    ],
)
def test_a_body_is_refused_by_its_announced_length_alone(path: str, limit: int) -> None:
    assert code_of(parse(head(path, f"Content-Length: {limit}"))) is None
    parser = parse(head(path, f"Content-Length: {limit + 1}"))
    assert parser.completed
    assert code_of(parser) == 413
    assert parser.error is not None
    assert str(limit) in parser.error.body


def test_a_chunked_body_is_refused_when_it_has_grown_too_large() -> None:
    chunk = b"1000\r\n" + b"x" * 4096 + b"\r\n"
    parser = parse(head("/jobs/pause", "Transfer-Encoding: chunked"), *[chunk] * 4)
    assert code_of(parser) is None
    parser.received(chunk)
    assert parser.completed
    assert code_of(parser) == 413


def test_the_frames_of_tiny_chunks_do_not_count() -> None:
    parser = parse(head("/jobs/pause", "Transfer-Encoding: chunked"), b"1\r\nx\r\n" * MAX_BODY_BYTES, b"0\r\n\r\n")
    assert parser.completed
    assert code_of(parser) is None


@pytest.mark.parametrize(
    "request_head",
    [
        b"GET http://[/ HTTP/1.1\r\n\r\n",
        head("/jobs", "Content-Length: " + "9" * 5000),
        head("/jobs", "Content-Length: -1"),
        head("/jobs", "Content-Length: 1, 2"),
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
    ],
)
def test_what_is_no_http_is_400(request_head: bytes) -> None:
    parser = parse(request_head)
    assert parser.completed
    assert code_of(parser) == 400


def test_headers_without_end_are_431() -> None:
    assert code_of(parse(b"GET / HTTP/1.1\r\nX: " + b"x" * 300_000)) == 431


def test_an_unknown_transfer_encoding_is_501() -> None:
    assert code_of(parse(head("/jobs", "Transfer-Encoding: gzip"))) == 501


def test_what_follows_a_refused_request_is_swallowed() -> None:
    request = head("/jobs", "Content-Length: 99999999") + b"GET /livez HTTP/1.1\r\n\r\n"
    assert RequestParser(Adjustments()).received(request) == len(request)


def test_what_follows_a_good_request_is_left() -> None:
    assert RequestParser(Adjustments()).received(b"GET / HTTP/1.1\r\n\r\nGET") == 18


@pytest.mark.parametrize("length", [0, MAX_JOB_BODY_BYTES + 1])
def test_who_waits_for_100_continue_gets_the_answer_if_no_body_is_wanted(length: int) -> None:
    parser = parse(head("/jobs", "Expect: 100-continue", f"Content-Length: {length}"))
    assert parser.completed
    assert not parser.expect_continue
    assert parse(head("/jobs", "Expect: 100-continue", "Content-Length: 2")).expect_continue


def test_it_notes_when_the_last_byte_has_come() -> None:
    parser = parse(head("/jobs", "Content-Length: 2"), b"{")
    assert parser.complete_at == math.inf
    before = time.monotonic()
    parser.received(b"}")
    assert before <= parser.complete_at <= time.monotonic()


def test_a_body_of_two_lengths_is_refused_for_proxies_may_believe_the_other() -> None:
    request = head("/jobs", "Content-Length: 2", "Transfer-Encoding: chunked") + b"2\r\n{}\r\n0\r\n\r\n"
    assert code_of(parse(request)) == 400


@pytest.mark.parametrize(
    "name", ["Host", "authorization", "Content-Length", "Content-Type", "Content-Encoding", "Idempotency-Key"]
)
def test_what_says_something_only_once_is_refused_twice(name: str) -> None:
    assert code_of(parse(head("/jobs", f"{name}: 0", "X: 1"))) is None
    assert code_of(parse(head("/jobs", f"{name}: 0", "X: 1", f"{name.upper()}: 0"))) == 400


@pytest.mark.parametrize(
    ("request_head", "code"),
    [
        (head("/" + "x" * (MAX_TARGET_BYTES - 20)), None),
        (head("/" + "x" * MAX_TARGET_BYTES), 414),
        (head("/?" + "&" * (MAX_PARAMETERS - 1)), None),
        (head("/?" + "&" * MAX_PARAMETERS), 400),
        (head("/", *["X: 1"] * MAX_HEADERS), None),
        (head("/", *["X: 1"] * (MAX_HEADERS + 1)), 400),
        (head("/", "X: 1", " folded"), 400),
        (b"GET / HTTP/1.0\r\n\r\n", None),
        (b"GET / HTTP/1.2\r\n\r\n", 505),
        (b"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (head("/", "Transfer-Encoding: chunked, chunked"), 400),
        (head("/", "Transfer-Encoding:"), 400),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_request_has_limits_and_one_meaning(request_head: bytes, code: int | None) -> None:
    assert code_of(parse(request_head)) == code
