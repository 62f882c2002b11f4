"""`jobworker log` and what shows output, against scripted answers."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

from jobworker.cli.errors import NotReachable, Refused
from jobworker.cli.following import LogReader, Page
from jobworker.cli.http import ApiClient
from jobworker.store.settings import ClientSettings
from tests.unit.cli.conftest import sentence
from tests.unit.cli.stub_api import StubApi

Invoke = Callable[..., Result]


def item(at: int, text: str, left_out: int = 0) -> dict[str, Any]:
    return {
        "at": at,
        "next": at + len(text.encode()),
        "left_out": left_out,
        "read_at": "2026-11-24T04:00:00.000Z",
        "attempt": 1,
        "text": text,
    }


def stream(*items: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in items)


def asked(stub: StubApi) -> list[str]:
    return [each.path for each in stub.asked]


def test_the_log_is_shown_as_it_was_printed(stub: StubApi, invoke: Invoke) -> None:
    stub.will_answer({"items": [item(0, "one\n"), item(4, "two\x1b[1m")]})
    result = invoke("log", "0192")
    assert (result.output, asked(stub)) == ("one\ntwo\x1b[1m", ["/jobs/0192/log?after=0"])


def test_without_output_nothing_is_shown(stub: StubApi, invoke: Invoke) -> None:
    stub.will_answer({"items": []})
    assert invoke("log", "0192").output == ""


def test_json_prints_each_piece_on_a_line(stub: StubApi, invoke: Invoke) -> None:
    stub.will_answer({"items": [item(0, "one\n"), item(4, "two")]})
    printed = invoke("log", "0192", "--json").output
    assert [json.loads(line)["text"] for line in printed.splitlines()] == ["one\n", "two"]


def test_an_unknown_id_is_one_line(stub: StubApi, invoke: Invoke) -> None:
    for arguments in (["log", "x"], ["log", "x", "--follow"]):
        stub.will_refuse(404, "no job has the id x")
        result = invoke(*arguments)
        assert isinstance(result.exception, Refused)
        assert sentence(result) == "no job has the id x"


def test_following_ends_with_the_job(stub: StubApi, invoke: Invoke) -> None:
    stub.will_answer(stream(item(0, "one\n"), item(4, "two\n")))
    stub.will_answer({"status": "succeeded"})
    stub.will_answer({"items": []})
    assert invoke("log", "0192", "--follow").output == "one\ntwo\n"
    assert asked(stub) == ["/jobs/0192/log?follow=1&after=0", "/jobs/0192", "/jobs/0192/log?after=8"]


def test_a_stream_that_ends_before_the_job_is_taken_up_where_it_was(stub: StubApi, invoke: Invoke) -> None:
    """As when the API drains."""
    stub.will_answer(stream(item(0, "one\n")))
    stub.will_answer({"status": "running"})
    stub.will_answer({"items": [item(4, "two\n")]})
    stub.will_answer(stream(item(8, "three\n")))
    stub.will_answer({"status": "failed"})
    stub.will_answer({"items": [item(14, "four\n")]})
    assert invoke("log", "0192", "--follow").output == "one\ntwo\nthree\nfour\n"
    assert [path for path in asked(stub) if "follow" in path] == [
        "/jobs/0192/log?follow=1&after=0",
        "/jobs/0192/log?follow=1&after=8",
    ]


def test_where_there_is_no_place_for_a_follower_output_is_seen_all_the_same(stub: StubApi) -> None:
    stub.will_refuse(503, "4 clients follow logs here already", Retry_After="1")
    stub.will_answer({"status": "running"})
    stub.will_answer({"items": [item(0, "one\n")]})
    stub.will_refuse(503, "4 clients follow logs here already", Retry_After="600")
    stub.will_refuse(503, "Redis is away")
    stub.will_answer(stream())
    stub.will_answer({"status": "succeeded"})
    stub.will_answer({"items": []})
    slept: list[float] = []
    with ApiClient(ClientSettings(url=stub.url)) as client:
        found = list(LogReader(client, "0192", sleep=slept.append).follow())
    assert ([each["text"] for each in found], slept) == (["one\n"], [1.0, 5.0])


def test_an_answer_that_breaks_off_is_not_reachable(stub: StubApi) -> None:
    with ApiClient(ClientSettings(url=stub.url)) as client:
        stub.will_answer(b"not json\n")
        with pytest.raises(NotReachable, match="does not answer like a jobworker API"):
            list(client.lines("/jobs/0192/log?follow=1"))
        stub.will_answer({"status": "running"})
        assert client.get_job("0192") == {"status": "running"}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_what_would_steer_a_terminal_is_made_visible_there() -> None:
    terminal = Terminal()
    Page(terminal).show(item(0, "\x1b[31mred\r\n\tend"))
    assert terminal.getvalue() == "\\x1b[31mred\\x0d\n\tend"


@pytest.mark.parametrize("before", ["one", "one\n"])
def test_a_gap_is_a_line_of_its_own(before: str) -> None:
    stream = io.StringIO()
    page = Page(stream)
    page.show(item(0, before))
    page.show(item(5004, "two", left_out=5000))
    page.end_line()
    page.end_line()
    assert stream.getvalue() == "one\n… 5,000 bytes left out …\ntwo\n"


def test_another_attempt_begins_with_a_line_that_says_so() -> None:
    stream = io.StringIO()
    page = Page(stream)
    for text, attempt in (("one", 1), (", on", 1), ("two\n", 2), ("four", 4)):
        page.show({**item(0, text), "attempt": attempt})
    assert stream.getvalue() == "one, on\n--- attempt 2\ntwo\n--- attempt 4\nfour"
