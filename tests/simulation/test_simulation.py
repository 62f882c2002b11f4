"""Thousands of runs, each with its own trouble; and rules left out, to see that runs without them fail.

`JOBWORKER_TEST_SEEDS=4711-4712 python -m pytest tests/simulation` plays the seed 4711 again.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final
from unittest.mock import patch

import pytest
import redis

from jobworker.supervisor.deadlines import Deadlines
from jobworker.supervisor.desk import Desk
from jobworker.supervisor.exchange import Exchange
from tests.simulation.network import Server
from tests.simulation.promises import broken
from tests.simulation.run import Outcome, Simulation
from tests.support.redis_server import RedisServer

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

FIRST, END = map(int, os.environ.get("JOBWORKER_TEST_SEEDS", "0-2000").split("-"))
#: So that several processes can share them.
AT_ONCE: Final = 250
#: A rule that is left out breaks a promise within so many runs.
ENOUGH: Final = 120


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis.Redis]:
    """A server that writes nothing to disk: its data live as long as a run."""
    server = RedisServer(tmp_path_factory.mktemp("redis"), options=("--appendonly", "no", "--unixsocket", "s"))
    server.start()
    with redis.Redis(unix_socket_path=str(server.directory / "s")) as client:
        yield client
    server.close()


def told(outcome: Outcome) -> str:
    """Return what was broken, and the whole story."""
    return f"seed {outcome.seed}:\n" + "\n".join([*broken(outcome), "", outcome.story.of()])


@pytest.mark.parametrize("first", range(FIRST, END, AT_ONCE))
def test_no_trouble_breaks_a_promise(client: redis.Redis, first: int) -> None:
    server = Server(client)
    for seed in range(first, min(first + AT_ONCE, END)):
        outcome = Simulation(seed, server).run()
        assert not list(broken(outcome)), told(outcome)


def test_a_seed_tells_the_same_story_again(client: redis.Redis) -> None:
    server = Server(client)
    for seed in range(5):
        once, again = Simulation(seed, server).run(), Simulation(seed, server).run()
        assert once.story.lines == again.story.lines


def test_the_runs_have_every_kind_of_trouble_in_them(client: redis.Redis) -> None:
    server = Server(client)
    outcomes = [Simulation(seed, server).run() for seed in range(40)]
    stories = "\n".join(outcome.story.of() for outcome in outcomes)
    for trouble in (
        *("is killed", "is stopped", "goes on", "is cut off", "redis is away", "is told to drain", "is shot"),
        *("the request is lost", "the reply is lost", "(too late)", "beginning anew", "attempts that must not overlap"),
        *("outcome=timed_out", "outcome=crashed", "what it comes to is dropped", "cancel: cancelling"),
    ):
        assert trouble in stories.replace("redis    is", "redis is"), trouble
    assert sum(outcome.reaped for outcome in outcomes) > 10


async def agree_on_nothing(exchange: Any) -> list[Any]:
    await exchange._lease.beat()
    return []


def without_fencing(source: str) -> str:
    """Whoever settles an attempt settles what runs, even if its lease has ended."""
    for rule in ("if lease_end == 0 then return 'reaped', found end\n", "and fields.owner == holder.name and "):
        source = source.replace(rule, "and " * rule.startswith("and "))
    return source.replace("fields.epoch == holder.epoch\n    and fields.token == token", "true").replace(
        "return lease_end > now and tonumber(found[1]) > tonumber(epoch) and 'superseded' or 'reaped', found",
        "return nil, found",
    )


def without_putting_back(source: str) -> str:
    """What a supervisor does not hold stays in its index."""
    return source.replace("if held[index[i]] ~= index[i + 1] then", "if false then")


def without_counting(source: str) -> str:
    """A late copy of `register` is taken for a new one."""
    return source.replace("if old[3] == lock_id and tonumber(old[6] or 0) >= number then return {'old'} end", "")


Edit = Callable[[str], str]
LeftOut = Callable[[], AbstractContextManager[Any]]
#: Each with how it is left out, in the scripts or in the supervisor, and what is broken then.
RULES: Final[dict[str, tuple[Edit, LeftOut, str]]] = {
    "deadlines are watched": (str, lambda: patch.object(Deadlines, "set"), "its timeout is"),
    "who was cut off reconciles": (str, lambda: patch.object(Exchange, "_agree", agree_on_nothing), "has not ended"),
    "reconcile puts back what nobody holds": (without_putting_back, nullcontext, "has not ended"),
    "a late register does nothing": (without_counting, nullcontext, "no other process of this name"),
    "exclusive attempts are fenced": (
        str,
        lambda: patch.object(Desk, "fence", return_value=0),
        "exclusive type overlap",
    ),
    "who was reaped writes nothing": (without_fencing, nullcontext, "not of its last attempt"),
}


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_that_is_left_out_is_missed(client: redis.Redis, rule: str) -> None:
    edit, left_out, promise = RULES[rule]
    server = Server(client, edit=edit)
    with left_out():
        found = (what for seed in range(ENOUGH) for what in broken(Simulation(seed, server).run()))
        assert any(promise in what for what in found)
