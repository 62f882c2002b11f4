"""Where a job stands in line."""

from jobworker.store.position import Position
from tests.support.world import World


def test_it_is_what_would_start_before_it(world: World) -> None:
    last = world.enqueue(priority=1)
    first = world.enqueue(priority=9)
    world.enqueue(queue="mail")
    assert world.store.position(first) == Position(0, 2)
    assert world.store.position(last) == Position(1, 2)


def test_what_does_not_wait_in_line_has_none(world: World) -> None:
    scheduled = world.enqueue(delay_ms=1000)
    assert world.store.position(scheduled) is None
    assert world.store.position("019329f0-0000-7000-8000-000000000001") is None
    running = world.enqueue()
    world.register().claim_one()
    assert world.store.position(running) is None
