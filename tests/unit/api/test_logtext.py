"""Output as answers show it."""

import msgspec
import pytest

from jobworker.api.logtext import JsonLines, LogItems, PlainText
from jobworker.store.log import LogPiece

READ_MS = 1_769_850_000_123


def pieces(*parts: bytes, attempt: int = 1, at: int = 0) -> list[LogPiece]:
    made = []
    for part in parts:
        made.append(LogPiece(at, 0, READ_MS, attempt, part))
        at += len(part)
    return made


def test_plain_text_is_the_bytes() -> None:
    assert PlainText().render(pieces(b"one\n", b"\xff\x00", b"two")) == b"one\n\xff\x00two"


@pytest.mark.parametrize("before", [b"one\n", b"one"])
def test_a_gap_is_a_line_of_its_own(before: bytes) -> None:
    gap = LogPiece(len(before) + 1_234_567, 1_234_567, READ_MS, 1, b"two")
    assert PlainText().render([*pieces(before), gap]) == "one\n… 1,234,567 bytes left out …\ntwo".encode()


def test_a_gap_that_comes_later_begins_a_line_too() -> None:
    text = PlainText()
    text.render(pieces(b"one"))
    assert text.render([LogPiece(5, 2, READ_MS, 1, b"")]) == "\n… 2 bytes left out …\n".encode()
    assert text.render([LogPiece(9, 4, READ_MS, 1, b"x")]) == "… 4 bytes left out …\nx".encode()


def test_another_attempt_begins_with_a_line_that_says_so() -> None:
    text = PlainText()
    assert text.render([*pieces(b"one", attempt=2), *pieces(b", on", attempt=2)]) == b"one, on"
    assert text.render(pieces(b"two\n", attempt=3)) == b"\n--- attempt 3\ntwo\n"
    assert text.render([LogPiece(99, 7, READ_MS, 5, b"three")]) == "… 7 bytes left out …\n--- attempt 5\nthree".encode()


def test_an_item_says_all_about_its_piece() -> None:
    [item] = LogItems().items([LogPiece(10, 3, READ_MS, 2, b"one\n")])
    assert msgspec.to_builtins(item) == {
        "at": 10,
        "next": 14,
        "left_out": 3,
        "read_at": "2026-01-31T09:00:00.123Z",
        "attempt": 2,
        "text": "one\n",
    }


def test_a_character_cut_in_two_is_whole_in_the_second_item() -> None:
    items = LogItems()
    found = [*items.items(pieces(b"a\xe2\x82")), *items.items(pieces(b"\xacb", at=3))]
    assert [(item.at, item.next, item.text) for item in found] == [(0, 1, "a"), (1, 5, "€b")]
    assert items.rest() == []


def test_half_a_character_at_the_end_is_replaced() -> None:
    items = LogItems()
    found = [*items.items(pieces(b"a\xe2\x82")), *items.rest()]
    assert [(item.at, item.next, item.text) for item in found] == [(0, 1, "a"), (1, 3, "�")]


@pytest.mark.parametrize(
    "behind", [LogPiece(13, 10, READ_MS, 1, b"\xacb"), LogPiece(3, 0, READ_MS, 2, b"\xacb")], ids=["gap", "attempt"]
)
def test_no_character_goes_on_behind_a_gap_or_in_another_attempt(behind: LogPiece) -> None:
    found = LogItems().items([*pieces(b"a\xe2\x82"), behind])
    assert [item.text for item in found] == ["a", "�", "�b"]
    assert [item.left_out for item in found] == [0, 0, behind.left_out]
    assert [item.next for item in found] == [1, 3, behind.at + 2]


def test_json_lines_are_the_items() -> None:
    lines = JsonLines()
    sent = lines.render(pieces(b"a\xe2")) + lines.render([]) + lines.finish()
    assert [msgspec.json.decode(line)["text"] for line in sent.splitlines()] == ["a", "�"]
    assert sent.endswith(b"}\n")
