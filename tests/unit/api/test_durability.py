"""What a 202 means: asked seldom, and anew when it is old."""

import pytest

from jobworker.api.durability import KNOWN_SECONDS, Assurance
from jobworker.store.durability import Durability
from jobworker.store.errors import StoreUnavailable

ALWAYS = Durability.of({}, {"appendonly": "yes", "appendfsync": "always"}, wait_replicas=0)
NEVER = Durability.of({}, {"appendonly": "no", "save": ""}, wait_replicas=0)


class Redis:
    def __init__(self) -> None:
        self.now = 0.0
        self.asked = 0
        self.found: Durability | None = ALWAYS

    def ask(self) -> Durability:
        self.asked += 1
        if self.found is None:
            raise StoreUnavailable
        return self.found

    def assurance(self) -> Assurance:
        return Assurance(self.ask, clock=lambda: self.now)


def test_redis_is_asked_once_in_ten_seconds_and_then_believed_anew() -> None:
    redis = Redis()
    assurance = redis.assurance()
    assert [assurance.durability() for _ in range(3)] == [ALWAYS] * 3
    redis.found = NEVER
    redis.now = KNOWN_SECONDS
    assert assurance.durability() == ALWAYS
    redis.now += 0.001
    assert assurance.durability() == NEVER
    assert redis.asked == 2


def test_what_could_not_be_asked_is_asked_again() -> None:
    redis = Redis()
    redis.found = None
    assurance = redis.assurance()
    with pytest.raises(StoreUnavailable):
        assurance.durability()
    redis.found = ALWAYS
    assert assurance.durability() == ALWAYS
