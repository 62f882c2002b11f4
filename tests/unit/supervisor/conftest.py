"""What the tests of the supervisor's parts share."""

import asyncio
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from jobworker.supervisor.loop import SupervisorLoop
from tests.support.stand_ins import StandIns


class Running(NamedTuple):
    """A loop to run coroutines in, one after the other."""

    runner: asyncio.Runner
    loop: SupervisorLoop

    def until(self, condition: Callable[[], object]) -> None:
        """Run the loop until the condition holds."""
        self.runner.run(_until(condition))


async def _until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - it is asked of parts that tell nobody
            await asyncio.sleep(0.001)


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
