"""What happens around every request: its id, who may ask, the headers of the answer, a line in the log."""

import ipaddress
import re
import time
from typing import Final

import falcon
import structlog

from jobworker.api.errors import ForeignRequest, MalformedRequest, Overloaded
from jobworker.api.headers import WAITED_SECONDS, answer_headers, choose_request_id
from jobworker.api.resources.health import Liveness
from jobworker.api.traffic import TrafficRow
from jobworker.store.settings import ApiSettings

#: What is answered late is answered within 3 s: two calls of a Redis that is slow and not yet away fit behind this.
LONGEST_WAIT_SECONDS: Final = 1.25

_AUTHORITY: Final = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]@/]+)(?::\d{1,5})?\Z", re.IGNORECASE)
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
#: A name that only a resolver of our own knows, as those of Compose's services.
_LOCAL_NAME: Final = re.compile(r"[a-z0-9_-]+\Z")

log = structlog.stdlib.get_logger(__name__)


def request_id_of(req: falcon.Request) -> str:
    """Return the id of a request, the same whenever asked."""
    request_id: str | None = req.context.get("request_id")
    if request_id is None:
        request_id = req.context.request_id = choose_request_id(req.get_header("X-Request-Id"))
    return request_id


class Meter:
    """Counts every request that is answered, refusals too, by the path that serves it."""

    def __init__(self, row: TrafficRow) -> None:
        self._row = row

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:  # noqa: ARG002 - Falcon passes it
        """Note when a thread has begun."""
        req.context.begun_at = time.monotonic()

    def process_response(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        resource: object,  # noqa: ARG002 - Falcon passes it
        req_succeeded: bool,  # noqa: ARG002, FBT001 - Falcon passes it
    ) -> None:
        """Count it."""
        now = time.monotonic()
        begun_at: float = req.context.begun_at
        self._row.answered(
            *(req.uri_template, req.method, str(resp.status_code), now - begun_at, req.env.get(WAITED_SECONDS, 0.0))
        )


class Envelope:
    """Puts the common headers on every answer, refusals too, and tells the log."""

    def process_response(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        resource: object,  # noqa: ARG002 - Falcon passes it
        req_succeeded: bool,  # noqa: ARG002, FBT001 - Falcon passes it
    ) -> None:
        """Finish an answer."""
        request_id = request_id_of(req)
        for name, value in answer_headers(request_id):
            # What may be kept, and pages, say so themselves.
            if resp.get_header(name) is None:
                resp.set_header(name, value)
        log.debug("answered", method=req.method, path=req.path, status=resp.status, request_id=request_id)


class Patience:
    """Sheds load: who has waited too long for a thread is told to come again, and those behind are answered in time."""

    def process_resource(
        self,
        req: falcon.Request,
        resp: falcon.Response,  # noqa: ARG002 - Falcon passes it
        resource: object,
        params: dict[str, str],  # noqa: ARG002 - Falcon passes it
    ) -> None:
        """Refuse what has waited too long; but this process lives, and says so."""
        waited_seconds: float = req.env.get(WAITED_SECONDS, 0.0)
        if waited_seconds > LONGEST_WAIT_SECONDS and not isinstance(resource, Liveness):
            raise Overloaded(
                f"this request has waited {waited_seconds:.1f} s for its turn: Redis is slow, or too many ask at once"
            )


class LoopbackGuard:
    """Keeps web pages out while there are no keys: the browser of anybody who runs this would carry their requests.

    A page can reach us by a name of its own (DNS rebinding), so the Host must be one of ours. `no_auth` says that other
    hosts may ask too: then it may also be what no page can have for its own, an address or a name without a dot.
    A browser names the page it acts for in Origin, which must be one of ours likewise.
    """

    def __init__(self, settings: ApiSettings) -> None:
        self._extra_hosts = frozenset(host.lower() for host in settings.allowed_hosts)
        self._hosts = _LOOPBACK | self._extra_hosts
        self._beyond_loopback = settings.no_auth

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:  # noqa: ARG002 - Falcon passes it
        """Refuse what comes by a foreign name or from a foreign page."""
        host = req.get_header("Host")
        if host is None:
            raise MalformedRequest("the request has no Host header")
        if not self._is_allowed(_host_name(host)):
            raise ForeignRequest(f"the Host header must be {self._names()}; more by the setting api.allowed_hosts")
        origin = req.get_header("Origin")
        if origin is not None and not self._is_ours(origin, host):
            raise ForeignRequest("web pages of other sites may not use this API (Origin)")
        if req.get_header("Sec-Fetch-Site") == "cross-site":
            raise ForeignRequest("web pages of other sites may not use this API (Sec-Fetch-Site)")

    def _is_ours(self, origin: str, host: str) -> bool:
        authority = origin.partition("://")[2].lower()
        name = _host_name(authority)
        # Behind a proxy the Host may be ours while the page's name is the proxy's: it must be allowed by name.
        return name in self._extra_hosts or (self._is_allowed(name) and authority == host.lower())

    def _is_allowed(self, name: str | None) -> bool:
        return name in self._hosts or (name is not None and self._beyond_loopback and _is_nobodys(name))

    def _names(self) -> str:
        known = " or ".join(sorted(self._hosts))
        return f"{known}, an address, or a name without a dot" if self._beyond_loopback else known


def _host_name(authority: str) -> str | None:
    match = _AUTHORITY.match(authority)
    return match[1].lower() if match else None


def _is_nobodys(name: str) -> bool:
    """Whether nobody can have the name and point it at us: an address, or a name without a dot."""
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return _LOCAL_NAME.match(name) is not None
    return True
