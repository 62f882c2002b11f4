"""Who may ask for what: with API keys by their scopes, without any by where a request comes from."""

import math
from typing import Final

import falcon
import structlog

from jobworker.api.errors import InsufficientScope, TooManyFailures, Unauthenticated
from jobworker.api.guard import LoopbackGuard
from jobworker.api.keyring import Keyring
from jobworker.api.operation import operation_of
from jobworker.api.scopes import Scope
from jobworker.api.strikes import Strikes
from jobworker.store.apikeys import ApiKey

_CHALLENGE: Final = 'Bearer realm="jobworker"'
_HOW: Final = "send `Authorization: Bearer jw_…`; `jobworker key create` makes a key"

log = structlog.stdlib.get_logger(__name__)


class Authentication:
    """Lets a request pass to its responder, or refuses it.

    What is open to everybody is answered also while Redis, and with it every key, is away.
    """

    def __init__(self, keyring: Keyring, guard: LoopbackGuard, strikes: Strikes) -> None:
        self._keyring = keyring
        self._guard = guard
        self._strikes = strikes

    def process_resource(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        resource: object,
        params: dict[str, str],  # noqa: ARG002 - Falcon passes it
    ) -> None:
        """Refuse who may not ask. What no responder answers is left to Falcon, which says so."""
        method = "GET" if req.method == "HEAD" else req.method
        if not hasattr(resource, f"on_{method.lower()}"):
            return
        scope = _scope_of(resource, method)
        if not (self._keyring.seemed_closed if scope is None else self._keyring.is_closed()):
            self._guard.check(req)
        elif scope is not None:
            # Neither Host nor Origin are looked at: no browser adds a key by itself, as it would a cookie.
            req.context.api_key = self._admit(req, resp, scope)

    def _admit(self, req: falcon.Request, resp: falcon.Response, scope: Scope) -> ApiKey:
        token = _token_of(req)
        if token is None:
            resp.set_header("WWW-Authenticate", _CHALLENGE)
            raise self._failure(req, resp, f"this needs an API key: {_HOW}")
        key = self._keyring.find(token)
        if key is None:
            resp.set_header("WWW-Authenticate", f'{_CHALLENGE}, error="invalid_token"')
            raise self._failure(req, resp, "this API key is unknown, revoked or expired")
        if scope not in key.scopes and Scope.ADMIN not in key.scopes:
            resp.set_header("WWW-Authenticate", f'{_CHALLENGE}, error="insufficient_scope", scope="{scope}"')
            raise InsufficientScope(f"this needs a key with scope {scope}; {key.name} has {', '.join(key.scopes)}")
        return key

    def _failure(self, req: falcon.Request, resp: falcon.Response, message: str) -> Exception:
        wait_seconds = self._strikes.strike(req.remote_addr)
        if not wait_seconds:
            return Unauthenticated(message)
        resp.set_header("Retry-After", str(math.ceil(wait_seconds)))
        log.debug("too many requests without a valid key", remote=req.remote_addr)
        return TooManyFailures(f"{message}; too many such requests came from {req.remote_addr}")


def _scope_of(resource: object, method: str) -> Scope | None:
    found = operation_of(resource, method)
    # What says nothing of itself is not for everybody.
    return Scope.ADMIN if found is None else found.scope


def _token_of(req: falcon.Request) -> str | None:
    scheme, _, token = (req.get_header("Authorization") or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None
