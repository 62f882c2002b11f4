"""Which addresses an `http` handler may connect to: by default none that is reachable from here alone.

A payload can choose no URL, but a name can: whoever owns its DNS could point it at the metadata service of the cloud
or at the Redis beside us. So a name is looked up once, what comes out is checked, and that is connected to.
"""

import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final, TypeAlias

from jobworker.handlers.errors import RequestFailed
from jobworker.handlers.outcomes import Fail

Address: TypeAlias = IPv4Address | IPv6Address
#: What `socket.getaddrinfo` returns of each address: family, type, protocol, canonical name, address.
Found: TypeAlias = "tuple[int, int, int, str, tuple[Any, ...]]"
LookUp: TypeAlias = Callable[..., Sequence[Found]]

_KINDS: Final[tuple[tuple[str, Callable[[Address], bool]], ...]] = (
    ("unspecified", lambda address: address.is_unspecified),
    ("loopback", lambda address: address.is_loopback),
    ("link-local", lambda address: address.is_link_local),
    ("multicast", lambda address: address.is_multicast),
    ("private", lambda address: address.is_private or not address.is_global),
    ("reserved", lambda address: address.is_reserved or getattr(address, "is_site_local", False)),
)


def kind_of(text: str) -> str | None:
    """Return why an address is not public; None if it is.

    >>> kind_of("169.254.169.254"), kind_of("::ffff:127.0.0.1"), kind_of("1.1.1.1")
    ('link-local', 'loopback', None)
    """
    address = ip_address(text)
    if isinstance(address, IPv6Address):
        # It leads to the address of version 4 that it holds.
        address = address.ipv4_mapped or address.sixtofour or address
    return next((kind for kind, is_of_it in _KINDS if is_of_it(address)), None)


def look_up(host: str, port: int, *, allow_private: bool, ask: LookUp = socket.getaddrinfo) -> Sequence[Found]:
    """Return the addresses of a host. Raises RequestFailed, and Fail if one of them is not allowed."""
    try:
        found = ask(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise RequestFailed(f"the address of {host} cannot be found: {error}") from None
    for *_, address in found:
        kind = None if allow_private else kind_of(address[0])
        if kind:
            raise Fail(f"{host} is at {address[0]}, which is {kind}: only allow_private = true lets us connect there")
    return found


def connect(found: Sequence[Found], timeout_seconds: float | None) -> socket.socket:
    """Connect to the first of these addresses that answers. Raises OSError, that of the last one."""
    refusal: OSError = OSError("it has no address")
    for family, kind, protocol, _, address in found:
        connecting = socket.socket(family, kind, protocol)
        connecting.settimeout(timeout_seconds)
        try:
            connecting.connect(address)
        except OSError as error:
            connecting.close()
            refusal = error
        else:
            return connecting
    raise refusal
