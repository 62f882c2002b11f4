"""What goes through a mailbox comes out the same."""

import msgspec
import pytest

from jobworker.store.catalogue import HandlerDefaults, HandlerEntry
from jobworker.store.job import ErrorInfo, Receipt
from jobworker.store.states import Outcome
from jobworker.supervisor.messages import Assignment, FreshPipe, Hello, LoadFailure, Message, Report, decode, encode

MESSAGES: list[Message] = [
    Assignment("job-1", 2**53, "echo", "default", b"\x00\xff", 1, 3, None, 1_700_000_000_000),
    FreshPipe(1),
    Hello((HandlerEntry("echo", {"type": "object"}, HandlerDefaults(timeout=None), "Return it."),), "digest"),
    LoadFailure("does not import", None),
    Report(7, Outcome.SUCCEEDED, result=b"\x80", receipt=Receipt(1.5, 0.1, 0.2, 4096)),
    Report(
        7,
        Outcome.RAISED,
        retry_after_seconds=0.0,
        error=ErrorInfo("E", "m", "t"),
        retiring="threads",
        ended=("sleep", "2 more"),
    ),
]


@pytest.mark.parametrize("message", MESSAGES)
def test_every_message_survives_the_way(message: Message) -> None:
    assert decode(encode(message)) == message


@pytest.mark.parametrize("frame", [b"", b"nonsense", b"\xc1", msgspec.msgpack.encode(["Report", "x"]), b"\x91\xa1x"])
def test_what_is_none_is_refused(frame: bytes) -> None:
    with pytest.raises((msgspec.DecodeError, ValueError)):
        decode(frame)
