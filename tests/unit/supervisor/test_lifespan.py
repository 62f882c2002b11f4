"""How long a worker lives, under a clock that stands still."""

import mmap

from jobworker.supervisor.lifespan import JITTER, Lifespan, LifespanLimits


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_without_limits_it_lives_for_ever() -> None:
    clock = Clock()
    lifespan = Lifespan(LifespanLimits(), clock=clock)
    clock.now += 10**9
    assert {lifespan.why_it_ends() for _ in range(100)} == {""}


def test_it_ends_with_its_last_job_never_later_and_not_much_sooner() -> None:
    counts = set()
    for _ in range(50):
        lifespan, jobs = Lifespan(LifespanLimits(jobs=100)), 1
        while not lifespan.why_it_ends():
            jobs += 1
        counts.add(jobs)
    assert 100 * (1 - JITTER) <= min(counts) <= max(counts) <= 100
    assert len(counts) > 1


def test_one_job_is_one_job() -> None:
    assert "worker_max_jobs" in Lifespan(LifespanLimits(jobs=1)).why_it_ends()


def test_it_ends_when_it_is_old() -> None:
    clock = Clock()
    lifespan = Lifespan(LifespanLimits(age_seconds=100), clock=clock)
    clock.now += 100 * (1 - JITTER) - 1
    assert lifespan.why_it_ends() == ""
    clock.now = 1100.0
    assert "worker_max_age" in lifespan.why_it_ends()


def test_memory_that_was_given_back_is_not_held_against_it() -> None:
    clock = Clock()
    base_mb = int(open_statm_mb()) + 100
    lifespan = Lifespan(LifespanLimits(rss_mb=base_mb), clock=clock)
    with mmap.mmap(-1, 200 * 1024 * 1024) as memory:
        memory.write(b"x" * len(memory))
        assert "more than worker_max_rss_mb" in lifespan.why_it_ends()
        # Looked at again only after a while.
        assert lifespan.why_it_ends() == ""
    clock.now += 1
    assert lifespan.why_it_ends() == ""


def open_statm_mb() -> float:
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * mmap.PAGESIZE / 1024 / 1024
