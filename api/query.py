"""The parameters in the address of a request: read into a Struct, or refused with what is wrong."""

from typing import Any, Final, TypeVar, cast

import falcon
import msgspec

from jobworker.api.errors import InvalidQuery
from jobworker.api.expectations import explain
from jobworker.api.schemas import Request
from jobworker.store.apikeys import ApiKey

#: How much of an unknown parameter's name is repeated.
ECHO_CHARACTERS: Final = 100

Query = TypeVar("Query", bound=Request)


def read_query(req: falcon.Request, model: type[Query]) -> Query:
    """Return the parameters as `model`. Raises InvalidQuery."""
    parameters = cast("dict[str, Any]", req.params)
    names = model.__struct_fields__
    for name, value in parameters.items():
        if name not in names:
            raise InvalidQuery(f"{name[:ECHO_CHARACTERS]} is not a parameter; allowed: {', '.join(names)}")
        if isinstance(value, list):
            raise InvalidQuery(f"{name} may be given only once")
    try:
        return msgspec.convert(parameters, model, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidQuery(explain(error, model)[1]) from error


def allow_no_parameters(req: falcon.Request) -> None:
    """Refuse an address with parameters: what is not known must not seem to have been obeyed."""
    if req.params:
        name = next(iter(req.params))
        raise InvalidQuery(f"{req.uri_template} takes no parameters; there is no {name[:ECHO_CHARACTERS]!r}")


def who_asks(req: falcon.Request) -> str:
    """Return who a request comes from, as records and the log name them: its key, without one its address."""
    key = api_key_of(req)
    return f"api {req.remote_addr}" if key is None else f"{key.name} (key {key.id})"


def api_key_of(req: falcon.Request) -> ApiKey | None:
    """Return the key that a request was let in by; None: it needed none."""
    key: ApiKey | None = req.context.get("api_key")
    return key
