"""Problem details (RFC 9457): the one shape of everything refused."""

from collections.abc import Sequence
from typing import Final

import falcon
import msgspec
from msgspec import UNSET, Struct, UnsetType

PROBLEM_JSON: Final = "application/problem+json"


class FieldProblem(Struct, frozen=True):
    """What is wrong with one part of a body."""

    pointer: str
    detail: str


class Problem(Struct, frozen=True, kw_only=True):
    """Why a request was refused."""

    #: Our problems say no more than their status does, in RFC 9457's words.
    type: str = "about:blank"
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[FieldProblem] | UnsetType = UNSET


def encode_problem(status: int, detail: str, request_id: str, problems: Sequence[tuple[str, str]] = ()) -> bytes:
    """Return the body of a refusal; `problems`: JSON pointers to what is at fault, each with a sentence."""
    errors = [FieldProblem(*problem) for problem in problems] or UNSET
    title = status_line(status).partition(" ")[2]
    return msgspec.json.encode(Problem(title=title, status=status, detail=detail, request_id=request_id, errors=errors))


def status_line(status: int) -> str:
    """Return code and reason, as the first line of an answer shows them."""
    line: str = falcon.code_to_http_status(status)
    return line
