"""Names of keys."""

import pytest

from jobworker.store.keys import Keys

NAMES = {
    "meta": lambda keys: keys.meta,
    "scheduled": lambda keys: keys.scheduled,
    "expiring": lambda keys: keys.expiring,
    "created": lambda keys: keys.created,
    "supervisors": lambda keys: keys.supervisors,
    "handlers": lambda keys: keys.handlers,
    "paused": lambda keys: keys.paused,
    "queues": lambda keys: keys.queues,
    "types": lambda keys: keys.types,
    "tags": lambda keys: keys.tags,
    "job:some-id": lambda keys: keys.job("some-id"),
    "ready:mail": lambda keys: keys.ready("mail"),
    "running:alpha:17": lambda keys: keys.running("alpha", 17),
    "cancels:alpha:17": lambda keys: keys.cancels("alpha", 17),
    "ended:failed": lambda keys: keys.ended("failed"),
    "by_type:echo": lambda keys: keys.by_type("echo"),
    "by_tag:customer=42": lambda keys: keys.by_tag("customer=42"),
    "supervisor:alpha": lambda keys: keys.supervisor("alpha"),
    "inbox:alpha": lambda keys: keys.inbox("alpha"),
    "wake:mail": lambda keys: keys.wake("mail"),
}


@pytest.mark.parametrize("name", NAMES)
def test_every_key_has_the_prefix_and_the_hash_tag_of_its_partition(name: str) -> None:
    assert NAMES[name](Keys()) == f"jobworker:{{0}}:{name}"
    assert NAMES[name](Keys("mine", 3)) == f"mine:{{3}}:{name}"
