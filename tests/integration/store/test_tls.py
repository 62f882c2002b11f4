"""`rediss://`: certificates of the server and of the client, of a server that speaks TLS itself, or behind a proxy."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from jobworker.cli.address import free_port
from jobworker.cli.chaos.proxy import Proxy
from jobworker.store.connection import connect_async, connect_wire, translated
from jobworker.store.errors import StoreError, StoreMisconfigured, StoreUnavailable
from jobworker.store.ids import new_job_id
from jobworker.store.incarnation import Incarnation, Registration, Terms
from jobworker.store.job import NewJob
from jobworker.store.jobs import JobStore
from jobworker.store.keys import Keys
from jobworker.store.retention import Retention
from jobworker.store.roster import Roster
from tests.support.certificates import Certificates
from tests.support.redis_server import RedisServer
from tests.support.sentinels import SERVICE, Sentinel
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real

TIMEOUT_SECONDS = 5.0
#: What the log of a server says that was built without TLS: Valkey's word, then Redis's.
WITHOUT_TLS = ("Failed finding TLS support", "Bad directive")

Serve = Callable[..., int]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("tls") / "certificates")


@pytest.fixture(params=["a proxy that speaks TLS", "the server's own TLS"])
def serve(
    request: pytest.FixtureRequest, tmp_path: Path, redis_server: RedisServer, certificates: Certificates
) -> Iterator[Serve]:
    """Serve TLS, and return at which port."""
    with ExitStack() as stack:

        def by_proxy(*, ask_clients: bool = False) -> int:
            context = certificates.context(ask_clients=ask_clients)
            return stack.enter_context(closing(Proxy(redis_server.port, tls=context))).port

        def by_server(*, ask_clients: bool = False) -> int:
            port = free_port()
            server = RedisServer(tmp_path, options=certificates.server_options(port, ask_clients=ask_clients))
            _start_or_skip(server)
            stack.callback(server.close)
            return port

        yield by_proxy if request.param == "a proxy that speaks TLS" else by_server


def _start_or_skip(server: RedisServer) -> None:
    try:
        server.start()
    except AssertionError as error:
        if any(words in str(error) for words in WITHOUT_TLS):
            pytest.skip("the Redis server here was built without TLS")
        raise


def url(port: int, options: str) -> str:
    return f"rediss://127.0.0.1:{port}/0{options}"


def use_in_a_thread(address: str) -> None:
    store = JobStore.connect(address, timeout_seconds=TIMEOUT_SECONDS, prefix="jobworker", retention=Retention())
    with closing(store):
        store.enqueue([NewJob(new_job_id(), "echo")])


def use_as_a_supervisor(address: str) -> None:
    async def live() -> None:
        client = connect_async(address, timeout_seconds=TIMEOUT_SECONDS)
        wire = connect_wire(address, timeout_seconds=TIMEOUT_SECONDS)
        try:
            with translated():
                await client.ping()
            who = Registration(host="host", pid=1, version="1", workers=1)
            alpha = await Incarnation.register(wire, Keys(), "alpha", who, Terms(), lock_id="lock")
            await alpha.beat(Roster())
            await alpha.leave()
        finally:
            await wire.aclose()
            await client.aclose()

    asyncio.run(live())


both = pytest.mark.parametrize("use", [use_in_a_thread, use_as_a_supervisor])


@both
def test_a_server_whose_authority_is_trusted_is_used(
    serve: Serve, certificates: Certificates, use: Callable[[str], None]
) -> None:
    use(url(serve(), f"?ssl_ca_certs={certificates.authority}"))


@both
def test_a_client_shows_its_certificate(serve: Serve, certificates: Certificates, use: Callable[[str], None]) -> None:
    use(url(serve(ask_clients=True), certificates.options))


@both
def test_a_client_without_a_certificate_is_sent_away(
    serve: Serve, certificates: Certificates, use: Callable[[str], None]
) -> None:
    address = url(serve(ask_clients=True), f"?ssl_ca_certs={certificates.authority}")
    with pytest.raises(StoreError) as refused:
        use(address)
    assert isinstance(refused.value, StoreMisconfigured | StoreUnavailable)
    # Which of them is seen first is a matter of the network: the alert, the end of the connection, or its reset.
    assert any(word in str(refused.value) for word in ("ssl_certfile", "closed", "reset"))


@both
@pytest.mark.parametrize("trusted", ["other_authority", None])
def test_a_server_whose_authority_is_not_trusted_is_not_used(
    serve: Serve, certificates: Certificates, use: Callable[[str], None], trusted: str | None
) -> None:
    options = "" if trusted is None else f"?ssl_ca_certs={getattr(certificates, trusted)}"
    with pytest.raises(StoreMisconfigured, match="the certificate of Redis is not trusted"):
        use(url(serve(), options))


@both
def test_the_certificate_of_another_host_is_not_trusted(
    redis_server: RedisServer, certificates: Certificates, use: Callable[[str], None]
) -> None:
    with (
        closing(Proxy(redis_server.port, tls=certificates.context(elsewhere=True))) as proxy,
        pytest.raises(StoreMisconfigured, match=r"the certificate of Redis is not trusted.*not valid for '127.0.0.1'"),
    ):
        use(url(proxy.port, f"?ssl_ca_certs={certificates.authority}"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("?ssl_ca_certs=/nowhere/ca.crt", "ssl_ca_certs=/nowhere/ca.crt: No such file or directory"),
        ("?ssl_ca_certs={0.client_key}", "no certificate or crl found"),
        ("?ssl_certfile={0.client}", "ssl_keyfile={0.client}: "),
        ("?ssl_certfile={0.client}&ssl_keyfile={0.server_key}", "ssl_keyfile={0.server_key}: "),
        ("?ssl_keyfile={0.client_key}", "ssl_keyfile needs ssl_certfile beside it"),
        ("?ssl_cert_reqs=maybe", "maybe"),
        ("?nonsense=1", "nonsense"),
    ],
)
def test_an_option_that_cannot_be_used_is_a_mistake_in_the_url(
    certificates: Certificates, options: str, words: str
) -> None:
    with pytest.raises(StoreMisconfigured) as refused:
        use_in_a_thread(url(free_port(), options.format(certificates)))
    assert str(refused.value).startswith("redis url: ")
    assert words.format(certificates) in str(refused.value)


@both
def test_sentinels_and_the_server_that_they_name_are_both_asked_by_tls(
    tmp_path: Path, certificates: Certificates, use: Callable[[str], None]
) -> None:
    port, sentinel_port = free_port(), free_port()
    folder = tmp_path / "sentinel"
    folder.mkdir()
    server = RedisServer(tmp_path, options=certificates.server_options(port))
    _start_or_skip(server)
    names_and_values = certificates.server_options(sentinel_port)
    pairs = zip(names_and_values[::2], names_and_values[1::2], strict=True)
    lines = [f"{name.removeprefix('--')} {value}" for name, value in pairs]
    watching = [*lines, "tls-replication yes", f"sentinel monitor {SERVICE} 127.0.0.1 {port} 1"]
    with closing(server), closing(Sentinel(folder, watching, None)) as sentinel:
        wait_until(sentinel.state)
        address = f"sentinels://127.0.0.1:{sentinel_port}/{SERVICE}/0?ssl_ca_certs="
        use(f"{address}{certificates.authority}")
        with pytest.raises(StoreMisconfigured, match="the certificate of Redis is not trusted"):
            use(f"{address}{certificates.other_authority}")
