"""The address to listen on."""

import socket

import pytest

from jobworker.api.errors import AddressUnusable
from jobworker.api.listener import listen, listen_beside, make_room
from jobworker.store.settings import ApiSettings


@pytest.mark.parametrize("address", ["127.0.0.1:0", "localhost:0", "127.1.2.3:0"])
def test_loopback_needs_no_keys(address: str) -> None:
    with listen(ApiSettings(listen=address)) as listener:
        assert listener.family == socket.AF_INET
        assert listener.getsockname()[1] > 0


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0"])
def test_a_public_address_is_refused_unless_said_in_so_many_words(address: str) -> None:
    with pytest.raises(AddressUnusable, match=r"refusing to listen on .*: without keys .* or say --no-auth"):
        listen(ApiSettings(listen=address))


def test_no_auth_says_so() -> None:
    with listen(ApiSettings(listen="0.0.0.0:0", no_auth=True)) as listener:
        assert listener.getsockname()[0] == "0.0.0.0"


def test_a_port_in_use_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(AddressUnusable, match=f"cannot listen on {address}: the port is in use"):
            listen(ApiSettings(listen=address))


def test_an_address_of_another_host_is_one_sentence() -> None:
    with pytest.raises(AddressUnusable, match=r"cannot listen on 192.0.2.1:0: Cannot assign requested address"):
        listen(ApiSettings(listen="192.0.2.1:0", no_auth=True))


@pytest.mark.parametrize("address", ["no such host:80", "host.invalid:80"])
def test_a_name_that_is_none_is_one_sentence(address: str) -> None:
    with pytest.raises(AddressUnusable, match=f"cannot listen on {address}: "):
        listen(ApiSettings(listen=address))


def test_a_place_with_room_is_ours_alone_even_while_nobody_listens_there() -> None:
    with listen(ApiSettings(listen="127.0.0.1:0")) as place:
        make_room(place)
        address = f"127.0.0.1:{place.getsockname()[1]}"
        with listen_beside(place) as first, listen_beside(place) as second:
            for listener in (first, second):
                listener.listen()
            with pytest.raises(AddressUnusable, match="the port is in use"):
                listen(ApiSettings(listen=address))
        with pytest.raises(AddressUnusable, match="the port is in use"):
            listen(ApiSettings(listen=address))


def test_connections_that_linger_from_an_api_of_one_process_keep_several_from_nothing() -> None:
    with listen(ApiSettings(listen="127.0.0.1:0")) as alone:
        alone.listen()
        address = alone.getsockname()
        with socket.create_connection(address) as client:
            alone.accept()[0].close()
            assert client.recv(1) == b""
    with listen(ApiSettings(listen=f"127.0.0.1:{address[1]}")) as place:
        make_room(place)
        with listen_beside(place) as listener:
            listener.listen()
            assert listener.getsockname() == address
