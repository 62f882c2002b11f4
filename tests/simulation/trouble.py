"""What goes wrong in a run, drawn from its seed: to hosts, to processes, to the network, to Redis's clock."""

from collections.abc import Sequence
from random import Random
from typing import Final

from tests.simulation.machine import LEASE_SECONDS, Machine
from tests.simulation.network import Network
from tests.simulation.story import Story
from tests.simulation.virtual_time import SimulatedLoop

#: For how long there is trouble; afterwards all is well.
TROUBLE_SECONDS: Final = 15.0


class Trouble:
    """Owns what was broken and will be mended."""

    def __init__(
        self, machines: Sequence[Machine], network: Network, loop: SimulatedLoop, random: Random, story: Story
    ) -> None:
        self._machines = machines
        self._network = network
        self._loop = loop
        self._random = random
        self._story = story
        self._ends_at = loop.time() + TROUBLE_SECONDS
        odds = network.odds
        odds.lose_request, odds.lose_reply, odds.delay, odds.lose_hint = (
            random.choice((0.0, 0.0, limit, 4 * limit)) for limit in (0.02, 0.02, 0.03, 0.15)
        )
        odds.most_delay_seconds = random.choice((0.05, 0.5, 3.0))
        kinds = (self._kill, self._shoot, self._stop, self._cut, self._cut_all, self._drain)
        #: Most runs have a few of them only: a story with everything in it explains nothing.
        self._kinds = random.sample(kinds, random.randint(1, len(kinds)))
        for _ in range(random.randint(1, 6)):
            loop.call_later(random.uniform(0.5, TROUBLE_SECONDS), self._do, random.choice(self._kinds))

    def end(self) -> None:
        """Let all be well from now on."""
        self._story.tell("trouble", "ends")
        odds = self._network.odds
        odds.lose_request = odds.lose_reply = odds.delay = odds.lose_hint = 0.0
        self._network.cut.clear()
        for machine in self._machines:
            self._revive(machine)

    def _do(self, kind: object) -> None:
        assert callable(kind)
        kind()

    def _one(self) -> Machine | None:
        living = [machine for machine in self._machines if machine.lives and not machine.host.stopped]
        return self._random.choice(living) if living else None

    def _later(self, seconds: float, action: object, *arguments: object) -> None:
        # Before the end, which mends everything at once.
        assert callable(action)
        self._loop.call_at(min(self._loop.time() + seconds, self._ends_at - 0.001), action, *arguments)

    def _revive(self, machine: Machine) -> None:
        if machine.lives and machine.host.stopped:
            machine.go_on()
        else:
            machine.restart()

    def _kill(self) -> None:
        if (machine := self._one()) is not None:
            machine.kill()
            self._later(self._random.uniform(0.05, 2 * LEASE_SECONDS), self._revive, machine)

    def _drain(self) -> None:
        if (machine := self._one()) is not None:
            machine.drain()
            self._later(self._random.uniform(3.0, 8.0), self._revive, machine)

    def _shoot(self) -> None:
        if (machine := self._one()) is not None:
            machine.shoot_worker()

    def _stop(self) -> None:
        if (machine := self._one()) is not None:
            machine.stop()
            self._later(self._random.uniform(0.05, 3 * LEASE_SECONDS), self._revive, machine)

    def _cut(self) -> None:
        if (machine := self._one()) is not None:
            self._story.tell(machine.name, "is cut off")
            self._network.cut.add(machine.name)
            self._later(self._random.uniform(0.1, 2 * LEASE_SECONDS), self._heal, machine)

    def _cut_all(self) -> None:
        self._story.tell("redis", "is away")
        self._network.cut.update(machine.name for machine in self._machines)
        for machine in self._machines:
            self._later(self._random.uniform(0.1, 2 * LEASE_SECONDS), self._heal, machine)

    def _heal(self, machine: Machine) -> None:
        if machine.name in self._network.cut:
            self._story.tell(machine.name, "is connected again")
            self._network.cut.discard(machine.name)
