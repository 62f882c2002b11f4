"""Where a request may come from while there are no API keys: anybody whom no web page can have sent."""

import ipaddress
import re
from typing import Final

import falcon

from jobworker.api.errors import ForeignRequest, MalformedRequest
from jobworker.store.settings import ApiSettings

_AUTHORITY: Final = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]@/]+)(?::\d{1,5})?\Z", re.IGNORECASE)
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
#: A name that only a resolver of our own knows, as those of Compose's services.
_LOCAL_NAME: Final = re.compile(r"[a-z0-9_-]+\Z")


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

    def check(self, req: falcon.Request) -> None:
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
