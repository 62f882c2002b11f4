"""What the tests of the supervisor's parts share."""

import asyncio
from collections.abc import Iterator

import pytest

from jobworker.supervisor.loop import SupervisorLoop
from tests.support.stand_ins import StandIns
from tests.unit.supervisor.pool_scene import Scene
from tests.unit.supervisor.running import Running


@pytest.fixture
def running() -> Iterator[Running]:
    with asyncio.Runner(loop_factory=SupervisorLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, SupervisorLoop)
        faults: list[object] = []
        loop.set_exception_handler(lambda _loop, context: faults.append(context))
        yield Running(runner, loop)
        assert faults == []


@pytest.fixture
def stand_ins() -> Iterator[StandIns]:
    made = StandIns()
    yield made
    made.close()


@pytest.fixture
def scene(running: Running, stand_ins: StandIns) -> Iterator[Scene]:
    scene = Scene(running, stand_ins)
    yield scene
    if scene.pool.first_hello.done():
        scene.pool.first_hello.exception()
