"""Trace contexts as others send them."""

import pytest

from jobworker.store.trace import read_trace, trace_id_of

TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE_ID}-{SPAN_ID}-01"


@pytest.mark.parametrize("flags", ["00", "01", "03", "ff"])
def test_what_is_well_formed_is_kept_as_it_is(flags: str) -> None:
    parent = f"00-{TRACE_ID}-{SPAN_ID}-{flags}"
    assert read_trace(f" {parent} ") == parent
    assert trace_id_of(parent) == TRACE_ID


@pytest.mark.parametrize(
    "parent",
    [
        *(None, "", "00", PARENT[:-1], PARENT + "0", PARENT + "-more", PARENT.upper(), f"{PARENT},{PARENT}"),
        *(f"ff-{TRACE_ID}-{SPAN_ID}-01", f"00-{'0' * 32}-{SPAN_ID}-01", f"00-{TRACE_ID}-{'0' * 16}-01"),
        *(f"01-{TRACE_ID}-{SPAN_ID}-01more", f"{PARENT}\n", f"00-{TRACE_ID}-{SPAN_ID}-0g"),
    ],
)
def test_what_is_malformed_is_no_trace(parent: str | None) -> None:
    trace = read_trace(parent, "congo=t61") if parent != f"{PARENT}\n" else ""
    assert trace == ""
    assert trace_id_of(trace) is None


@pytest.mark.parametrize(("version", "more"), [("01", ""), ("cc", "-what-comes-later")])
def test_a_later_version_is_handed_on_as_ours(version: str, more: str) -> None:
    assert read_trace(f"{version}-{TRACE_ID}-{SPAN_ID}-ff{more}") == PARENT


@pytest.mark.parametrize("state", ["congo=t61", "a=1,b@c=2", "a=" + "x" * 200 + ",b=" + "y" * 200])
def test_what_vendors_say_goes_along(state: str) -> None:
    assert read_trace(PARENT, state) == f"{PARENT} {state}"
    assert read_trace(PARENT, state.replace(",", " ,, ")) == f"{PARENT} {state}"
    assert read_trace(None, state) == ""


@pytest.mark.parametrize(
    "state", ["", " , ", "no member", "A=1", "a=é", "a=1=2", "a=" + "x" * 511, ",".join(["a=1"] * 33)]
)
def test_what_of_it_cannot_be_read_or_is_too_much_is_left_out(state: str) -> None:
    assert read_trace(PARENT, state) == PARENT
