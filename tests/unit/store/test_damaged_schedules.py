"""A schedule whose record somebody has damaged stops no other, and is told by its name."""

from jobworker.store.schedules import Dues


def row(name: bytes = b"good", **changes: bytes | None) -> list[bytes | None]:
    fields: dict[str, bytes | None] = {
        "revision": b"1",
        "due": b"1000",
        "timing": b'{"every_ms":1000,"anchor_ms":0}',
        "misfire": b"once",
        "grace": b"1000",
        "template": b"{}",
        "payload": b"null",
    }
    return [name, *{**fields, **changes}.values()]


def test_what_cannot_be_read_is_named_and_the_rest_is_due() -> None:
    torn = [
        row(b"torn", timing=b"{"),
        row(b"gone", revision=None),
        row(b"odd", misfire=b"never"),
        row(b"empty", template=None),
    ]
    dues = Dues.decode([b"2000", 0, *torn])
    assert (dues.schedules, dues.damaged) == ([], ["torn", "gone", "odd", "empty"])
