import socket
from typing import Any

import pytest

from jobworker.handlers import Fail
from jobworker.handlers.errors import RequestFailed
from jobworker.handlers.foreign.address import kind_of, look_up


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("127.0.0.1", "loopback"),
        ("127.8.8.8", "loopback"),
        ("0.0.0.0", "unspecified"),
        ("0.1.2.3", "private"),
        ("10.0.0.1", "private"),
        ("172.16.0.1", "private"),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "private"),
        ("169.254.169.254", "link-local"),
        ("198.18.0.1", "private"),
        ("224.0.0.1", "multicast"),
        ("239.255.255.250", "multicast"),
        ("240.0.0.1", "private"),
        ("255.255.255.255", "private"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("::ffff:10.0.0.1", "private"),
        ("::ffff:169.254.169.254", "link-local"),
        ("::127.0.0.1", "reserved"),
        ("64:ff9b::7f00:1", "reserved"),
        ("2002:7f00:1::", "loopback"),
        ("2001:0:7f00:1::", "private"),
        ("fc00::1", "private"),
        ("fd00:ec2::254", "private"),
        ("fe80::1%eth0", "link-local"),
        ("fec0::1", "reserved"),
        ("ff02::1", "multicast"),
        ("1.1.1.1", None),
        ("2606:4700:4700::1111", None),
        ("::ffff:1.1.1.1", None),
        ("2002:101:101::", None),
    ],
)
def test_only_what_the_whole_internet_reaches_is_public(address: str, kind: str | None) -> None:
    # Versions of Python file a few addresses differently; none of them may be public in any.
    found = kind_of(address)
    assert (found is None) == (kind is None), found
    if kind in ("loopback", "link-local", "multicast", "unspecified"):
        assert found == kind


def names(*addresses: str) -> Any:
    """Return a resolver that finds these addresses for any name."""

    def ask(_host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    return ask


def test_one_address_that_is_not_public_is_enough_to_refuse_a_name() -> None:
    with pytest.raises(Fail, match=r"^a.example is at 10.0.0.1, which is private: only allow_private = true"):
        look_up("a.example", 80, allow_private=False, ask=names("1.1.1.1", "10.0.0.1"))
    assert len(look_up("a.example", 80, allow_private=True, ask=names("1.1.1.1", "10.0.0.1"))) == 2
    assert look_up("a.example", 80, allow_private=False, ask=names("1.1.1.1"))[0][4] == ("1.1.1.1", 80)


@pytest.mark.parametrize("address", ["127.1", "0x7f000001", "2130706433", "localhost"])
def test_other_ways_to_write_an_address_are_seen_through(address: str) -> None:
    with pytest.raises(Fail, match="which is loopback"):
        look_up(address, 80, allow_private=False)


def test_a_name_that_is_not_found_may_be_later() -> None:
    def ask(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.raises(RequestFailed, match=r"the address of a.example cannot be found: .*not known"):
        look_up("a.example", 80, allow_private=False, ask=ask)
