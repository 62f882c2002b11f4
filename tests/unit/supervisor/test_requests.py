"""What a supervisor is asked: begun once however often it is answered, and acknowledged until Redis has heard."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from structlog.testing import capture_logs

from jobworker.store.claims import Attempted
from jobworker.store.errors import StoreUnavailable
from jobworker.store.request import Request
from jobworker.supervisor.requests import Requests
from jobworker.supervisor.stack import Stack
from tests.unit.supervisor.running import Running

SCALE = Request("scale", "1 4")
DRAIN = Request("drain", '2 {"who":"ada","reason":"a new kernel"}')
STACK = Request("stack:job-1", "3 100")


class Scene:
    """Requests whose stacks come when the test lets them."""

    def __init__(self, running: Running) -> None:
        self.loop, self.until = running.loop, running.until
        self.sizes: list[int] = []
        self.drains: list[bool] = []
        self.kept: list[tuple[Attempted, str, str]] = []
        self.asked: list[Attempted] = []
        self.stack: Stack | None = Stack("Thread 1")
        self.refusal: Exception | None = None
        self.taken = asyncio.Event()
        self.requests = Requests(
            take_stack=self._take,
            keep_stack=self._keep,
            resize=self.sizes.append,
            drain=lambda: self.drains.append(True),
            spawn=self._spawn,
        )
        self._tasks: set[asyncio.Task[None]] = set()

    async def _take(self, attempted: Attempted) -> Stack | None:
        self.asked.append(attempted)
        await self.taken.wait()
        return self.stack

    async def _keep(self, attempted: Attempted, stack: str, missing: str) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.kept.append((attempted, stack, missing))

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._tasks.add(self.loop.create_task(coroutine))


@pytest.fixture
def scene(running: Running) -> Scene:
    return Scene(running)


def test_what_is_answered_again_is_not_begun_again(scene: Scene) -> None:
    for _ in range(3):
        scene.requests.take([SCALE, DRAIN])
    assert (scene.sizes, scene.drains) == ([4], [True])


def test_what_is_done_is_said_until_redis_lists_it_no_more(scene: Scene) -> None:
    scene.requests.take([SCALE])
    assert scene.requests.done() == [SCALE]
    # The beat that said so was lost, or its answer came from before.
    scene.requests.take([SCALE])
    assert scene.requests.done() == [SCALE]
    scene.requests.take([])
    assert scene.requests.done() == []


def test_the_same_asked_anew_is_done_anew(scene: Scene) -> None:
    scene.requests.take([SCALE])
    anew = Request("scale", "2 4")
    scene.requests.take([anew])
    assert (scene.sizes, scene.requests.done()) == ([4, 4], [anew])


def test_a_stack_is_done_when_it_is_kept_and_not_before(scene: Scene) -> None:
    scene.requests.take([STACK])
    scene.until(lambda: scene.asked)
    scene.requests.take([STACK])
    assert (scene.asked, scene.requests.done()) == ([Attempted("job-1", 100)], [])
    scene.taken.set()
    scene.until(scene.requests.done)
    assert (scene.kept, scene.requests.done()) == ([(Attempted("job-1", 100), "Thread 1", "")], [STACK])


def test_the_stack_of_an_attempt_that_is_over_is_done_and_nothing_is_kept(scene: Scene) -> None:
    scene.stack = None
    scene.taken.set()
    scene.requests.take([STACK])
    scene.until(scene.requests.done)
    assert (scene.kept, scene.requests.done()) == ([], [STACK])


def test_a_stack_that_redis_does_not_take_ends_nothing_else(scene: Scene) -> None:
    scene.refusal = StoreUnavailable("away")
    scene.taken.set()
    scene.requests.take([STACK, SCALE])
    scene.until(lambda: len(scene.requests.done()) == 2)
    assert (scene.kept, scene.sizes) == ([], [4])


def test_who_drains_and_why_is_logged(scene: Scene) -> None:
    with capture_logs() as logs:
        scene.requests.take([DRAIN])
    assert [(line["who"], line["reason"]) for line in logs] == [("ada", "a new kernel")]


def test_what_a_later_version_asks_is_said_once_and_does_not_stay(scene: Scene) -> None:
    later = Request("dance", "5 tango")
    with capture_logs() as logs:
        scene.requests.take([later])
        scene.requests.take([later])
    assert [line["request"] for line in logs] == ["dance"]
    assert scene.requests.done() == [later]
