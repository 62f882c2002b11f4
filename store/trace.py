"""The trace a job belongs to: W3C Trace Context, its two headers as one text.

That text is `traceparent` and, behind a space, `tracestate`, if there is one; "": none.
"""

import re
from typing import Final

#: How much of what others say about a trace is kept; the standard asks for at least that.
MAX_TRACESTATE_CHARACTERS: Final = 512
MAX_TRACESTATE_MEMBERS: Final = 32

_TRACEPARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_MEMBER: Final = re.compile(r"[a-z0-9][a-z0-9_*/@-]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,256}")
_SAMPLED: Final = 0x01


def read_trace(traceparent: str | None, tracestate: str | None = None) -> str:
    """Return the trace that a request belongs to; as the standard has it, what is malformed is as if absent.

    >>> read_trace("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "congo=t61")
    '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 congo=t61'
    >>> read_trace("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01")
    ''
    """
    parent = _read_parent((traceparent or "").strip())
    state = _read_state(tracestate or "")
    return f"{parent} {state}" if parent and state else parent


def trace_id_of(trace: str) -> str | None:
    """Return the id of the whole trace, 32 hexadecimal digits."""
    return trace[3:35] or None


def _read_parent(text: str) -> str:
    found = _TRACEPARENT.fullmatch(text)
    if found is None:
        return ""
    version, trace_id, span_id, flags, more = found.groups()
    if version == "ff" or not trace_id.strip("0") or not span_id.strip("0"):
        return ""
    if version == "00":
        return "" if more else text
    # Of a later version we know these parts, and hand them on as what we speak.
    return f"00-{trace_id}-{span_id}-{int(flags, 16) & _SAMPLED:02x}"


def _read_state(text: str) -> str:
    members = [member.strip() for member in text.split(",")]
    members = [member for member in members if member]
    state = ",".join(members)
    if len(state) > MAX_TRACESTATE_CHARACTERS or len(members) > MAX_TRACESTATE_MEMBERS:
        return ""
    return state if all(_MEMBER.fullmatch(member) for member in members) else ""
