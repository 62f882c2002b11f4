"""A loop that tests drive step by step."""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from jobworker.supervisor.loop import SupervisorLoop


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
