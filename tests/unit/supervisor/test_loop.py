"""A loop whose look-ups of host names leave no thread behind."""

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from jobworker.supervisor.loop import SupervisorLoop


def run(main: Callable[[SupervisorLoop], Coroutine[Any, Any, Any]]) -> Any:
    with asyncio.Runner(loop_factory=SupervisorLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, SupervisorLoop)
        return runner.run(main(loop))


def resolvers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "resolver"]


def test_a_name_is_resolved_and_the_thread_has_ended() -> None:
    async def look_up(loop: SupervisorLoop) -> list[str]:
        found = await loop.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)
        assert found[0][4][1] == 80
        return resolvers()

    assert run(look_up) == []


def test_what_the_resolver_raises_the_caller_gets() -> None:
    async def look_up(loop: SupervisorLoop) -> None:
        with pytest.raises(socket.gaierror):
            await loop.getaddrinfo("no.such.host.invalid", 80, flags=socket.AI_NUMERICHOST)
        assert resolvers() == []

    run(look_up)


def test_connections_go_through_it() -> None:
    async def connect(loop: SupervisorLoop) -> list[str]:
        server = await asyncio.start_server(lambda _reader, writer: writer.close(), "localhost", 0)
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("localhost", port)
        assert await reader.read() == b""
        writer.close()
        server.close()
        return resolvers()

    assert run(connect) == []


@pytest.mark.parametrize("family", ["unix", "inet"])
def test_writing_to_a_connection_that_was_reset_is_an_os_error(tmp_path: Path, family: str) -> None:
    async def write(loop: SupervisorLoop) -> None:
        with socket.socket(socket.AF_UNIX if family == "unix" else socket.AF_INET) as listening:
            listening.bind(str(tmp_path / "s") if family == "unix" else ("127.0.0.1", 0))
            listening.listen()
            address = listening.getsockname()
            reader, writer = await (
                asyncio.open_unix_connection(address) if family == "unix" else asyncio.open_connection(*address)
            )
            peer, _ = listening.accept()
            writer.write(b"never read")
            # Closed with something unread, it sends a reset.
            peer.close()
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.writelines([b"more", b"and more"])
            with pytest.raises(ConnectionResetError):
                await writer.drain()
            writer.close()

    run(write)


def test_lines_arrive_in_order(tmp_path: Path) -> None:
    async def write(loop: SupervisorLoop) -> bytes:
        arrived: asyncio.Future[bytes] = loop.create_future()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            arrived.set_result(await reader.read())
            writer.close()

        server = await asyncio.start_unix_server(serve, tmp_path / "s")
        _, writer = await asyncio.open_unix_connection(tmp_path / "s")
        writer.writelines([b"a" * 100_000, b"", bytearray(b"b")])
        writer.write_eof()
        received = await arrived
        writer.close()
        server.close()
        return received

    assert run(write) == b"a" * 100_000 + b"b"


def test_an_action_is_called_at_once_while_there_is_no_thread() -> None:
    async def act(loop: SupervisorLoop) -> list[str]:
        called: list[str] = []
        loop.when_single_threaded(lambda: called.append("now"))
        return called

    assert run(act) == ["now"]


def test_an_action_waits_for_the_last_of_the_look_ups(monkeypatch: pytest.MonkeyPatch) -> None:
    gates = {"slow": threading.Event(), "fast": threading.Event()}
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, port, **_: gates[host].wait(20))

    async def act(loop: SupervisorLoop) -> None:
        threads: list[list[str]] = []
        slow, fast = (loop.create_task(loop.getaddrinfo(host, 0)) for host in ("slow", "fast"))
        await asyncio.sleep(0)
        loop.when_single_threaded(lambda: threads.append(resolvers()))
        gates["fast"].set()
        await fast
        await asyncio.sleep(0)
        assert threads == []
        gates["slow"].set()
        await slow
        await asyncio.sleep(0)
        assert threads == [[]]

    run(act)


def test_a_caller_that_gives_up_still_holds_back_the_actions_until_its_thread_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: gate.wait(20))

    async def act(loop: SupervisorLoop) -> None:
        acted = asyncio.Event()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await loop.getaddrinfo("slow", 0)
        loop.when_single_threaded(acted.set)
        assert not acted.is_set()
        gate.set()
        await acted.wait()
        assert resolvers() == []

    run(act)


def test_a_failure_that_nobody_waits_for_any_more_is_no_fault_of_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()

    def fail(*_: object, **__: object) -> None:
        gate.wait(20)
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", fail)

    async def act(loop: SupervisorLoop) -> list[object]:
        faults: list[object] = []
        loop.set_exception_handler(lambda _loop, context: faults.append(context))
        ended = asyncio.Event()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await loop.getaddrinfo("slow", 0)
        loop.when_single_threaded(ended.set)
        gate.set()
        await ended.wait()
        return faults

    assert run(act) == []
