"""Reads the JSON body of a request into a Struct, or says what is wrong with it."""

from typing import Final, TypeVar

import falcon
import msgspec

from jobworker.api.errors import EncodedBody, InvalidBody, MalformedRequest, NotJson
from jobworker.api.expectations import explain
from jobworker.api.payload import too_deep, why_not_json
from jobworker.api.query import allow_no_parameters
from jobworker.api.schemas import Request

JSON: Final = "application/json"

Body = TypeVar("Body", bound=Request)


def read_body(req: falcon.Request, model: type[Body]) -> Body:
    """Return the body as `model`; a request without one is one in which every field is left out."""
    return decode_body(read_bytes(req), model)


def read_bytes(req: falcon.Request) -> bytes:
    """Return the body as it came, which is declared to be JSON; nothing if there is none.

    What stands in the address instead is refused: `POST /jobs/pause?queue=x` would pause everything.
    """
    allow_no_parameters(req)
    if not req.content_length:
        return b""
    encoding = req.get_header("Content-Encoding", default="identity")
    if encoding.lower() != "identity":
        raise EncodedBody(f"a body must come as it is, without Content-Encoding; this one is declared {encoding[:100]}")
    if not _is_json(req.content_type):
        raise NotJson(f"a body needs `Content-Type: {JSON}`, for example: {_example(req)}")
    body: bytes = req.bounded_stream.read()
    # For the trail, if this is an action.
    req.context.body = body
    return body


def decode_body(body: bytes, model: type[Body]) -> Body:
    """Return what `read_bytes` has read as `model`."""
    if not body:
        return model()
    try:
        # A payload is passed over, not decoded: its text would be checked by nobody.
        body.decode()
        return msgspec.json.decode(body, type=model)
    except msgspec.ValidationError as error:
        pointer, detail = explain(error, model)
        raise InvalidBody(detail, pointer=pointer) from error
    except UnicodeDecodeError as error:
        raise MalformedRequest(f"the body must be UTF-8; byte {error.start} is not") from error
    except msgspec.DecodeError as error:
        raise MalformedRequest(f"the body must be one JSON object: {why_not_json(body, error)}") from error
    except RecursionError as error:
        # Only a payload may nest: everything else is refused at its first bracket.
        raise too_deep() from error


def _is_json(content_type: str | None) -> bool:
    return content_type is not None and content_type.partition(";")[0].strip().lower() == JSON


def _example(req: falcon.Request) -> str:
    return f"curl -X {req.method} {req.prefix}{req.path} -H 'Content-Type: {JSON}' -d '{{}}'"
