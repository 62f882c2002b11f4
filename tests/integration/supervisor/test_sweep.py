"""Ended jobs go when their time is over, whether anything ends or not."""

import pytest

from jobworker.store.keys import Keys
from tests.support.supervisor_process import Workplace
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real

KEYS = Keys()


def test_a_supervisor_sweeps_although_nothing_ends_and_does_not_stop_at_two_hundred(place: Workplace) -> None:
    ids = [place.submit("noop") for _ in range(250)]
    for job_id in ids:
        place.store.cancel(job_id)
    place.client.zadd(KEYS.ended("cancelled"), dict.fromkeys(ids, 1))
    place.start().wait_for("ready")
    wait_until(lambda: not place.client.exists(KEYS.types))
    assert place.client.keys(f"{KEYS.base}job:*") == []
