"""Scripts in any order do what the reference does; and a script that breaks a promise is found out.

The same runs each time. `JOBWORKER_TEST_EXAMPLES=5000 python -m pytest tests/model/store` makes so many others, each
time new ones; a failure prints the shortest run that shows it, step by step.
"""

import os
from collections.abc import Callable, Iterator
from typing import Any, Final, cast

import pytest
import redis
import redis.asyncio
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from jobworker.store.scripts import script
from tests.model.store.machine import StoreMachine
from tests.support.redis_server import RedisServer
from tests.support.redis_source import RedisSource, fake_source

#: A failure is made short before it is told, and that takes a while.
pytestmark = pytest.mark.timeout(0)

MANY: Final = os.environ.get("JOBWORKER_TEST_EXAMPLES")


def runs(count: int, **options: Any) -> settings:
    return settings(
        max_examples=count,
        stateful_step_count=30,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        **options,
    )


PLAIN: Final = runs(int(MANY or 30), derandomize=MANY is None)
#: A broken promise shows within so many runs; nobody wants to read which.
HUNT: Final = runs(200, derandomize=True, phases=[Phase.generate], report_multiple_bugs=False)


def run(machine: Callable[[], StoreMachine], how: settings) -> None:
    # It takes any callable; its type says class.
    run_state_machine_as_test(cast("type[StoreMachine]", machine), settings=how)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], StoreMachine]]:
    """Machines on a real server that writes nothing to disk: its data live as long as a run."""
    server = RedisServer(tmp_path_factory.mktemp("redis"), options=("--appendonly", "no", "--unixsocket", "s"))
    server.start()
    socket = str(server.directory / "s")
    source = RedisSource(
        lambda: redis.Redis(unix_socket_path=socket), lambda: redis.asyncio.Redis(unix_socket_path=socket)
    )

    def on_an_empty_server() -> StoreMachine:
        with source.connect() as client:
            client.flushall()
        return StoreMachine(source)

    yield on_an_empty_server
    server.close()


def test_scripts_do_what_the_reference_does() -> None:
    run(lambda: StoreMachine(fake_source()), PLAIN)


@pytest.mark.real
def test_scripts_do_what_the_reference_does_on_a_real_server(machine: Callable[[], StoreMachine]) -> None:
    run(machine, PLAIN)


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "rule", "without"),
    [
        ("exchange", "if call == last_call then", "if false then"),
        ("exchange", "if fields.cancel_requested_ms or attempt.outcome", "if attempt.outcome"),
        ("beat", "redis.call('HSET', other, 'lease_end', 0)", ""),
        ("beat", "math.max(reap_after, held_since + lease_ms)", "0"),
        ("reconcile", "'last_call', integer(call), ", ""),
        ("leave", "redis.call('HSET', record, 'lease_end', 0)", ""),
    ],
)
def test_a_script_that_leaves_a_rule_out_is_found_out(
    machine: Callable[[], StoreMachine], monkeypatch: pytest.MonkeyPatch, name: str, rule: str, without: str
) -> None:
    known = script(name)
    assert rule in known.source
    # Its digest stays, and by that the watched clients find it.
    monkeypatch.setattr(known, "source", known.source.replace(rule, without))
    with pytest.raises(AssertionError):
        run(machine, HUNT)
