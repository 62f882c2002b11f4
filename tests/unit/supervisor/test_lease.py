"""The lease: renewed in time, and what counts from when."""

import asyncio
from typing import Any

import pytest

from jobworker.store.claims import Attempted, BeatAnswer, Cancel
from jobworker.store.errors import StoreUnavailable, Superseded
from jobworker.store.request import Request
from jobworker.store.roster import Roster
from jobworker.supervisor.board import boottime_ns
from jobworker.supervisor.lease import Lease
from jobworker.supervisor.requests import Requests
from tests.unit.supervisor.running import Running

CANCELS = [Cancel(Attempted("job-1", 1))]
REQUEST = Request("scale", "1 4")


class Redis:
    """Answers beats; remembers when they were sent."""

    def __init__(self) -> None:
        self.sent_ns: list[int] = []
        self.rosters: list[Roster] = []
        self.done: list[list[Request]] = []
        self.answers: list[BeatAnswer | Exception] = []
        self.answer = BeatAnswer(15_000, 3, None, 0, [])
        self.answering = asyncio.Event()
        self.answering.set()

    async def beat(self, roster: Roster, done: list[Request]) -> BeatAnswer:
        self.done.append(done)
        self.rosters.append(roster)
        self.sent_ns.append(boottime_ns())
        await self.answering.wait()
        answer = self.answers.pop(0) if self.answers else self.answer
        if isinstance(answer, Exception):
            raise answer
        return answer


async def no_stack(_attempted: Attempted) -> None:
    return None


async def keep_nothing(_attempted: Attempted, _stack: str, _missing: str) -> None:
    return None


class Scene:
    def __init__(self, running: Running, beat_seconds: float = 60.0) -> None:
        self.runner, self.loop = running
        self.until = running.until
        self.redis = Redis()
        incarnation: Any = self.redis
        self.fences: list[int] = []
        self.expected: list[int | None] = []
        self.cancelled: list[Cancel] = []
        self.counts: list[int] = []
        self.lease = Lease(incarnation, beat_seconds, self.fences.append, self.make_roster)
        self.lease.cancel = self.cancelled.extend
        self.last_call: int | None = 7
        self.compared: list[int | None] = []
        self.lease.last_call = lambda: self.last_call
        self.lease.compare = self.compare
        self.lease.expect = self.expected.append
        self.fenced_at_ns: list[int] = []
        self.lease.fence_attempts = self._fence_attempts
        self.sizes: list[int] = []
        self.lease.requests = Requests(
            take_stack=no_stack, keep_stack=keep_nothing, resize=self.sizes.append, drain=lambda: None, spawn=bool
        )

    def _fence_attempts(self) -> int:
        self.fenced_at_ns.append(boottime_ns())
        return 1

    def make_roster(self) -> Roster:
        """Return a roster that tells how many beats were sent before."""
        return Roster(restarts=len(self.redis.sent_ns))

    def compare(self, count: int, last_call: int | None) -> None:
        self.counts.append(count)
        self.compared.append(last_call)

    def start(self) -> "asyncio.Task[None]":
        task = self.loop.create_task(self.lease.run())
        self.until(lambda: self.redis.sent_ns)
        return task


@pytest.fixture
def scene(running: Running) -> Scene:
    return Scene(running)


def test_before_the_first_beat_all_is_fenced(scene: Scene) -> None:
    assert scene.lease.fenced


def test_the_fence_counts_from_before_the_beat_was_sent(scene: Scene) -> None:
    scene.redis.answering.clear()
    task = scene.start()
    scene.until(lambda: boottime_ns() > scene.redis.sent_ns[0] + 20_000_000)
    scene.redis.answering.set()
    scene.until(lambda: scene.fences)
    eleven_seconds_ns = 11_000_000_000
    assert scene.fences[0] <= scene.redis.sent_ns[0] + eleven_seconds_ns
    assert scene.fences[0] > scene.redis.sent_ns[0] + eleven_seconds_ns - 1_000_000_000
    assert not scene.lease.fenced
    task.cancel()


def test_a_lease_that_is_not_renewed_fences(scene: Scene) -> None:
    scene.redis.answer = BeatAnswer(20, 0, None, 0, [])
    scene.start().cancel()
    scene.until(lambda: scene.lease.fenced)


def test_an_answer_is_acted_on(scene: Scene) -> None:
    scene.redis.answer = BeatAnswer(15_000, 3, None, 0, CANCELS)
    scene.start().cancel()
    scene.until(lambda: scene.counts)
    assert (scene.cancelled, scene.counts) == (CANCELS, [3])


def test_a_count_is_compared_with_what_was_the_last_call_before_redis_counted(scene: Scene) -> None:
    scene.redis.answering.clear()
    scene.start()
    scene.last_call = 8
    scene.redis.answering.set()
    scene.until(lambda: scene.counts)
    assert scene.compared == [7]


def test_each_beat_takes_the_roster_of_its_own_time(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobworker.supervisor.lease.RETRY_SECONDS", 0.001)
    scene.redis.answers = [StoreUnavailable()]
    scene.start()
    scene.until(lambda: scene.counts)
    assert scene.redis.rosters == [Roster(restarts=0), Roster(restarts=1)]


def test_it_beats_in_time(running: Running) -> None:
    scene = Scene(running, 0.01)
    scene.start()
    scene.until(lambda: len(scene.redis.sent_ns) == 3)
    gaps = [later - earlier for earlier, later in zip(scene.redis.sent_ns, scene.redis.sent_ns[1:], strict=False)]
    assert min(gaps) >= 9_000_000


def test_a_hint_is_answered_by_a_beat_at_once(scene: Scene) -> None:
    scene.start()
    scene.lease.hint()
    scene.until(lambda: len(scene.redis.sent_ns) == 2)


def test_a_hint_during_a_beat_is_not_lost(scene: Scene) -> None:
    scene.redis.answering.clear()
    scene.start()
    scene.lease.hint()
    scene.redis.answering.set()
    scene.until(lambda: len(scene.redis.sent_ns) == 2)


def test_it_comes_when_there_may_be_something_to_reap(scene: Scene) -> None:
    scene.redis.answers = [BeatAnswer(15_000, 0, 10, 0, [])]
    scene.start()
    scene.until(lambda: len(scene.redis.sent_ns) == 2)


def test_while_redis_is_away_it_goes_on_trying(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobworker.supervisor.lease.RETRY_SECONDS", 0.001)
    scene.redis.answers = [StoreUnavailable(), StoreUnavailable()]
    scene.start()
    scene.until(lambda: scene.counts)
    assert len(scene.redis.sent_ns) == 3


def test_a_beat_that_failed_renews_nothing(scene: Scene) -> None:
    scene.redis.answers = [StoreUnavailable()]
    scene.start()
    scene.until(lambda: not scene.redis.answers)
    assert scene.fences == []
    assert scene.lease.fenced


def test_two_who_beat_at_once_beat_one_after_the_other(scene: Scene) -> None:
    scene.redis.answering.clear()
    task = scene.start()
    other = scene.loop.create_task(scene.lease.beat())
    scene.until(lambda: True)
    assert len(scene.redis.sent_ns) == 1
    scene.redis.answering.set()
    scene.until(other.done)
    assert len(scene.redis.sent_ns) == 2
    task.cancel()


def test_who_is_superseded_hears_it(scene: Scene) -> None:
    scene.redis.answers = [Superseded()]
    task = scene.start()
    scene.until(task.done)
    assert isinstance(task.exception(), Superseded)


def test_a_request_is_acted_on_and_acknowledged_with_the_next_beat(scene: Scene) -> None:
    scene.redis.answers = [BeatAnswer(15_000, 0, None, 0, [], [REQUEST])]
    scene.start()
    scene.until(lambda: scene.counts)
    scene.lease.hint()
    scene.until(lambda: len(scene.redis.done) == 2)
    assert (scene.redis.done, scene.sizes) == ([[], [REQUEST]], [4])


def guarded(scene: Scene, lease_ms: int, others: int) -> None:
    """Have the guard watch over a beat that is answered so, after which Redis is away."""
    scene.redis.answers = [BeatAnswer(lease_ms, 0, None, 0, [], others=others)]
    scene.runner.run(scene.lease.beat())
    scene.redis.answering.clear()
    scene.loop.create_task(scene.lease.guard())


def test_attempts_are_fenced_once_when_no_beat_is_answered_in_time(scene: Scene) -> None:
    guarded(scene, 300, others=1)
    scene.until(lambda: scene.fenced_at_ns)
    assert scene.fenced_at_ns[0] >= scene.fences[0]
    scene.runner.run(asyncio.sleep(0.05))
    assert len(scene.fenced_at_ns) == 1


def test_each_beat_moves_the_time_at_which_attempts_are_fenced(scene: Scene) -> None:
    guarded(scene, 60_000, others=1)
    scene.redis.answering.set()
    scene.redis.answers = [BeatAnswer(20, 0, None, 0, [], others=1)]
    scene.runner.run(scene.lease.beat())
    scene.until(lambda: scene.fenced_at_ns)
    assert scene.fences[1] <= scene.fenced_at_ns[0] < scene.fences[0]


def test_who_is_alone_fences_nobody(scene: Scene) -> None:
    guarded(scene, 20, others=0)
    scene.until(lambda: scene.lease.fenced)
    scene.runner.run(asyncio.sleep(0.05))
    assert scene.fenced_at_ns == []
    scene.redis.answering.set()
    scene.redis.answers = [BeatAnswer(20, 0, None, 0, [], others=1)]
    scene.runner.run(scene.lease.beat())
    scene.until(lambda: scene.fenced_at_ns)
