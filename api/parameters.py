"""The parameters in the address of a request."""

import falcon

from jobworker.api.errors import UnknownParameter


def allow_no_parameters(req: falcon.Request) -> None:
    """Refuse an address with parameters: what is not known must not seem to have been obeyed."""
    if req.params:
        name = next(iter(req.params))
        raise UnknownParameter(f"{req.path} takes no parameters; there is no {name[:100]!r}")
