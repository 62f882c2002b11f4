"""Where the tasks of an async handler are, asked while its loop is idle."""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from jobworker.store.states import Outcome
from jobworker.supervisor.tasks import MOST_FRAMES, TASKS_SIGNAL
from tests.unit.supervisor.execution_bench import Bench

TOKEN = 5


class Questioner(Bench):
    """Runs a coroutine function as a handler, and asks where it is when its loop has nothing else to do."""

    def ask(self, function: Callable[[], Coroutine[Any, Any, Any]], soft_timeout_seconds: float | None = None) -> str:
        async def asked() -> None:
            task = asyncio.current_task()
            assert task is not None
            # Behind what the handler itself makes ready: each has come to where it waits.
            asyncio.get_running_loop().call_later(0.02, os.kill, os.getpid(), TASKS_SIGNAL)
            asyncio.get_running_loop().call_later(0.03, task.cancel)
            await function()

        assert self.run(asked, soft_timeout_seconds=soft_timeout_seconds).outcome is Outcome.RAISED
        return self.board.read_tasks(TOKEN) or ""


@pytest.fixture
def bench() -> Iterator[Questioner]:
    bench = Questioner()
    before = signal.signal(TASKS_SIGNAL, bench.execution.tasks.tell)
    yield bench
    signal.signal(TASKS_SIGNAL, before)
    bench.close()


async def waits() -> None:
    await asyncio.sleep(600)


async def deepens(depth: int) -> None:
    await (deepens(depth - 1) if depth else waits())


def names(section: str) -> list[str]:
    """The functions of a section's frames, the innermost first."""
    return [line.rpartition(" in ")[2] for line in section.split("\n")[1:]]


@pytest.mark.parametrize("soft_timeout_seconds", [None, 60.0])
def test_a_coroutine_that_waits_tells_what_it_awaits_and_nothing_of_ours(
    bench: Questioner, soft_timeout_seconds: float | None
) -> None:
    told = bench.ask(waits, soft_timeout_seconds)
    assert told.startswith("Task of the job (most recent call first):\n")
    assert names(told) == ["sleep", "waits", "asked"]
    assert f'File "{__file__}", line ' in told
    assert "/supervisor/execution.py" not in told


def test_other_tasks_follow_that_of_the_job(bench: Questioner) -> None:
    async def gathers() -> None:
        await asyncio.gather(waits(), deepens(1))

    job, *others = bench.ask(gathers).split("\n\n")
    assert names(job) == ["gathers", "asked"]
    assert [names(other) for other in others] == [["sleep", "waits"], ["sleep", "waits", "deepens", "deepens"]]
    assert all(other.startswith("Task Task-") for other in others)


def test_of_many_frames_the_innermost_are_told_and_how_many_more_there_are(bench: Questioner) -> None:
    *frames, more = names(bench.ask(lambda: deepens(3 * MOST_FRAMES)))
    assert frames[:3] == ["sleep", "waits", "deepens"]
    assert len(frames) == MOST_FRAMES
    assert more == f"  … {3 * MOST_FRAMES + 4 - MOST_FRAMES} more frames"


def test_who_runs_no_coroutine_tells_nothing(bench: Questioner) -> None:
    os.kill(os.getpid(), TASKS_SIGNAL)
    assert bench.board.read_tasks(TOKEN) is None
