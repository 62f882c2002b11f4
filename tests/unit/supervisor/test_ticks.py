"""The common tick: long waits end there together and never later than asked, short ones are left alone."""

import asyncio

import pytest

from jobworker.supervisor.ticks import TICK_SECONDS, until_tick


def ends(now: float, most_seconds: float, monkeypatch: pytest.MonkeyPatch) -> float:
    """Return the instant at which a wait ends that begins now."""

    async def ask() -> float:
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
        seconds = until_tick(most_seconds)
        monkeypatch.undo()
        return now + seconds

    return asyncio.run(ask())


def test_waits_of_different_lengths_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ends(100.0003, 1.0, monkeypatch) == pytest.approx(101)
    assert ends(98.4, 3.0, monkeypatch) == pytest.approx(101)
    assert ends(91.9, 10.0, monkeypatch) == pytest.approx(101)


@pytest.mark.parametrize("now", [100.0, 100.25, 100.999])
@pytest.mark.parametrize("most_seconds", [1.0, 1.5, 15.0])
def test_none_is_longer_than_asked_nor_shorter_by_a_tick(
    now: float, most_seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    lasts = ends(now, most_seconds, monkeypatch) - now
    assert most_seconds - TICK_SECONDS - 1e-6 < lasts <= most_seconds + 1e-6


def test_what_cannot_wait_for_a_tick_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ends(100.25, 0.05, monkeypatch) == pytest.approx(100.3)
