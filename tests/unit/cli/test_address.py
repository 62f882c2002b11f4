import pytest

from jobworker.cli.address import url_of


@pytest.mark.parametrize(
    ("listen", "url"),
    [
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("localhost:80", "http://localhost:80"),
        ("0.0.0.0:8080", "http://127.0.0.1:8080"),
        ("[::]:8080", "http://[::1]:8080"),
        ("[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_what_is_listened_on_is_reached_at(listen: str, url: str) -> None:
    assert url_of(listen) == url
