"""What we rely on in waitress beyond what it documents: a new version that has it otherwise fails here first."""

import inspect
from typing import Any, cast

import pytest
from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import BaseWSGIServer
from waitress.task import ErrorTask, Task, ThreadedTaskDispatcher, WSGITask
from waitress.trigger import trigger

from jobworker.api.waiting import Park, Ticket
from tests.unit.api.test_channel import GET, Connection


@pytest.fixture
def connection() -> Any:
    connection = Connection()
    yield connection
    connection.channel.close()
    connection.client.close()


@pytest.mark.parametrize(
    ("owner", "names"),
    [
        (HTTPChannel, ["service", "received", "handle_close", "writable", "add_channel", "del_channel", "cancel"]),
        (BaseWSGIServer, ["add_task", "pull_trigger", "handle_accept", "maintenance", "channel_class"]),
        (WSGITask, ["get_environment", "execute"]),
        (Task, ["build_response_header", "write", "set_close_on_finish", "service"]),
        (ErrorTask, ["execute"]),
        (HTTPRequestParser, ["received", "parse_header", "close"]),
        (ThreadedTaskDispatcher, ["add_task", "shutdown"]),
        (trigger, ["pull_trigger"]),
    ],
)
def test_what_we_override_or_call_is_there(owner: type, names: list[str]) -> None:
    assert [name for name in names if not hasattr(owner, name)] == []


def test_what_we_read_of_a_channel_is_there(connection: Connection) -> None:
    names = (
        "requests",
        "request",
        "connected",
        "last_activity",
        "total_outbufs_len",
        "_fileno",
        "will_close",
        "adj",
        "requests_lock",
        "close_when_flushed",
    )
    assert [name for name in names if not hasattr(connection.channel, name)] == []


def test_the_loop_asks_of_its_entries_only_what_a_parking_has() -> None:
    source = inspect.getsource(wasyncore.poll2) + inspect.getsource(wasyncore.readwrite)
    assert "obj.readable()" in source
    assert "obj.writable()" in source
    assert "obj.accepting" in source
    assert "obj.handle_read_event()" in source


def test_a_thunk_is_run_by_the_loop_that_the_trigger_wakes() -> None:
    entries: dict[int, Any] = {}
    pulled: Any = trigger(cast("Any", entries))
    seen: list[int] = []
    pulled.pull_trigger(lambda: seen.append(1))
    assert seen == []
    wasyncore.loop(timeout=5, use_poll=True, map=entries, count=1)
    assert seen == [1]
    pulled.close()


class Parking:
    """Notes what it is told."""

    crowded = False

    def __init__(self) -> None:
        self.parked: list[Any] = []
        self.turns = 0

    def park(self, channel: Any, ticket: Ticket) -> None:
        self.parked.append((channel, ticket))

    def served(self) -> None:
        self.turns += 1


def test_what_is_no_exception_passes_through_and_the_same_request_is_served_again(connection: Connection) -> None:
    ticket, parking = Ticket("job", 0.0), Parking()
    connection.channel.parking = parking  # type: ignore[assignment]
    passes: list[Any] = []

    def wait_once(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        passes.append(environ["jobworker.place"].ticket)
        if len(passes) == 1:
            raise Park(ticket)
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    connection.server.application = wait_once
    connection.send(GET)
    connection.serve()
    assert parking.parked == [(connection.channel, ticket)]
    assert len(connection.channel.requests) == 1
    # Its cleanup leaves alone what has a request.
    assert not connection.channel.will_close
    connection.server.tasks.append(connection.channel)
    connection.serve()
    assert passes == [None, ticket]
    assert parking.turns == 1
    assert connection.channel.requests == []
    assert connection.client.recv(65536).endswith(b"ok")


def test_a_closed_connection_is_served_without_the_application_and_lets_go_of_its_request(
    connection: Connection,
) -> None:
    asked: list[Any] = []
    connection.server.application = lambda environ, start_response: asked.append(environ)
    connection.send(GET)
    connection.channel.handle_close()
    assert connection.channel.descriptor is None
    connection.serve()
    assert asked == []
    assert connection.channel.requests == []
