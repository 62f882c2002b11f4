"""Records into which somebody else has written: the job may suffer, the others do not."""

from typing import Final

import pytest

from jobworker.store.states import Outcome
from tests.support.world import Supervisor, World

#: Fields that scripts reckon with.
NUMBERS: Final = (
    *("failures", "crashes", "priority", "sequence", "created_ms", "run_at_ms", "expires_ms", "token", "attempt"),
    *("max_attempts", "max_crashes", "timeout_ms", "attempts_kept", "log_bytes", "unhandled_ms", "ahead"),
)
NONSENSE: Final = ("x", "nan")


def damage(world: World, job_id: str, field: str, value: str | None) -> None:
    # Not by the watched client, which would find the contradiction.
    if value is None:
        world.client.hdel(world.keys.job(job_id), field)
    else:
        world.client.hset(world.keys.job(job_id), field, value)


def bare(world: World, supervisor: Supervisor) -> None:
    """Let the supervisor's scripts run without the audit after each."""
    supervisor.incarnation = supervisor.incarnation.on(world.unaudited)


@pytest.mark.parametrize("value", NONSENSE)
@pytest.mark.parametrize("field", NUMBERS)
@pytest.mark.parametrize("outcome", [Outcome.SUCCEEDED, Outcome.RAISED, Outcome.CRASHED, Outcome.SHUTDOWN])
def test_nonsense_in_a_waiting_job_stops_no_other(
    world: World, alpha: Supervisor, field: str, value: str, outcome: Outcome
) -> None:
    damaged, scheduled = world.enqueue(expires_at_ms=world.clock.now_ms + 60_000), world.enqueue(delay_ms=1)
    good = world.enqueue(priority=1)
    for job_id in (damaged, scheduled):
        damage(world, job_id, field, value)
    world.advance(1)
    bare(world, alpha)
    answer = alpha.exchange(want=3)
    claimed = [claim.attempted for claim in answer.claims] + [one.attempted for one in answer.unreadable]
    assert good in [attempted.id for attempted in claimed]
    for attempted in claimed:
        assert alpha.settle(attempted, outcome) not in ("stale", "missing")
    alpha.beat()


@pytest.mark.parametrize("value", NONSENSE)
@pytest.mark.parametrize("field", sorted({*NUMBERS, "queue", "started_ms", "worker"} - {"token"}))
def test_nonsense_in_a_running_job_stops_neither_its_settle_nor_its_reaping(
    world: World, alpha: Supervisor, field: str, value: str
) -> None:
    world.enqueue()
    world.enqueue()
    (first, second), beta = alpha.claim(2), world.register("beta")
    for claim in (first, second):
        damage(world, claim.id, field, None if field == "queue" else value)
    for supervisor in (alpha, beta):
        bare(world, supervisor)
    assert alpha.settle(first, Outcome.CRASHED) not in ("stale", "missing")
    # Who reaps has held its own lease for a term.
    for _ in range(6):
        world.advance(world.terms.lease_ms // 3)
        beta.beat()
    assert world.client.exists(world.keys.running(alpha.name, alpha.epoch)) == 0
