"""How much of one thing is done in a turn of the loop."""

import asyncio

from jobworker.supervisor.ration import Ration
from tests.unit.supervisor.running import Running


def test_in_a_turn_there_is_so_much_and_in_the_next_again(running: Running) -> None:
    ration = Ration(running.loop, 2)

    async def take_some() -> list[bool]:
        taken = [ration.take() for _ in range(3)]
        await asyncio.sleep(0)
        return [*taken, ration.take()]

    assert running.runner.run(take_some()) == [True, True, False, True]


def test_what_waits_for_the_next_turn_is_done_once(running: Running) -> None:
    ration = Ration(running.loop, 1)
    done: list[str] = []

    def act() -> None:
        done.append("done")

    async def wait() -> list[int]:
        ration.take()
        ration.next_turn(act)
        ration.next_turn(act)
        before = len(done)
        await asyncio.sleep(0)
        return [before, len(done)]

    assert running.runner.run(wait()) == [0, 1]
