"""Listening for hints: passed on to who can use them, given back by who cannot."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from jobworker.store.errors import StoreMisconfigured, StoreUnavailable
from jobworker.store.incarnation import IDLE, Hint
from jobworker.supervisor.hints import Listener
from tests.unit.supervisor.running import Running

WAKE = Hint("1", "wake:default")
CANCEL = Hint("cancel", None)


class Redis:
    """Lists that the test pushes to."""

    def __init__(self) -> None:
        self.hints: asyncio.Queue[Hint | Exception | None] = asyncio.Queue()
        self.waits: list[bool] = []
        self.pushed_back: list[str] = []
        self.interrupts = 0
        self.interrupted = StoreUnavailable

    async def wait(self, *, idle: bool, seconds: float) -> Hint | None:
        self.waits.append(idle)
        hint = await self.hints.get()
        if isinstance(hint, Exception):
            raise hint
        return hint

    async def push_back(self, wake: str) -> None:
        self.pushed_back.append(wake)

    async def interrupt(self) -> None:
        self.interrupts += 1
        self.hints.put_nowait(Hint(IDLE, None))


class Scene:
    def __init__(self, running: Running) -> None:
        self.runner, self.loop = running
        self.until = running.until
        self.redis = Redis()
        hints: Any = self.redis
        self.idle = True
        self.told: list[str] = []
        self.listener = Listener(
            hints,
            has_idle=lambda: self.idle,
            wake=lambda: self.told.append("wake"),
            inbox=lambda: self.told.append("inbox"),
        )
        self.task = self.loop.create_task(self.listener.run())
        self.until(lambda: self.redis.waits)

    def push(self, hint: Hint | Exception | None) -> None:
        """Push it and wait until the listener waits again."""
        waits = len(self.redis.waits)
        self.redis.hints.put_nowait(hint)
        self.until(lambda: len(self.redis.waits) > waits)

    def become_idle(self) -> None:
        async def tell() -> None:
            self.listener.idle()

        self.runner.run(tell())


@pytest.fixture
def scene(running: Running) -> Iterator[Scene]:
    scene = Scene(running)
    yield scene
    scene.task.cancel()


def test_a_wake_token_wakes_while_workers_are_idle(scene: Scene) -> None:
    scene.push(WAKE)
    assert scene.told == ["wake"]
    assert scene.redis.pushed_back == []


def test_a_wake_token_that_nobody_here_can_use_is_given_back(scene: Scene) -> None:
    scene.idle = False
    scene.push(WAKE)
    assert scene.told == []
    assert scene.redis.pushed_back == ["wake:default"]
    assert scene.redis.waits == [True, False]


def test_a_cancel_is_heard_also_while_all_are_busy(scene: Scene) -> None:
    scene.idle = False
    scene.push(CANCEL)
    assert scene.told == ["inbox"]


@pytest.mark.parametrize("nothing", [None, Hint(IDLE, None)])
def test_a_wait_in_vain_is_waited_again(scene: Scene, nothing: Hint | None) -> None:
    scene.push(nothing)
    assert scene.told == []


def test_who_becomes_idle_interrupts_a_wait_that_listens_to_the_inbox_only(scene: Scene) -> None:
    scene.idle = False
    scene.push(None)
    scene.idle = True
    scene.become_idle()
    scene.become_idle()
    scene.until(lambda: scene.redis.waits[-1])
    assert scene.redis.interrupts == 1


def test_a_wait_that_listens_to_all_is_not_interrupted(scene: Scene) -> None:
    scene.become_idle()
    scene.until(lambda: True)
    assert scene.redis.interrupts == 0


def test_an_interrupt_that_fails_harms_nobody(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail() -> None:
        raise StoreUnavailable

    scene.idle = False
    scene.push(None)
    monkeypatch.setattr(scene.redis, "interrupt", fail)
    scene.become_idle()
    scene.until(lambda: scene.listener._interrupting is None)
    scene.push(CANCEL)
    assert scene.told == ["inbox"]


def test_while_redis_is_away_it_goes_on_trying(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobworker.supervisor.hints.RETRY_SECONDS", 0.001)
    scene.push(StoreUnavailable())
    scene.told.clear()
    scene.push(WAKE)
    assert scene.told == ["wake"]


def test_that_redis_denies_them_is_told_once_and_they_are_tried_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobworker.supervisor.hints.RETRY_SECONDS", 0.001)
    with capture_logs() as lines:
        for _ in range(3):
            scene.push(StoreMisconfigured("NOPERM"))
        scene.push(WAKE)
    assert scene.told == ["wake"]
    assert [line["error"] for line in lines if line["event"].startswith("hints cannot be heard")] == ["NOPERM"]


def test_that_redis_is_away_is_left_for_the_exchange_to_tell(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobworker.supervisor.hints.RETRY_SECONDS", 0.001)
    with capture_logs() as lines:
        scene.push(StoreUnavailable())
    assert not any("hints" in line["event"] for line in lines)


def test_a_lost_connection_may_have_taken_a_hint_of_either_kind_along(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobworker.supervisor.hints.RETRY_SECONDS", 0.001)
    scene.push(StoreUnavailable())
    assert sorted(scene.told) == ["inbox", "wake"]
