"""How much memory an ended job takes: the compact form of a hash holds it whole."""

from typing import Any

import pytest

from jobworker.store.backoff import Backoff
from jobworker.store.job import Receipt
from jobworker.store.states import Outcome
from tests.support.world import Supervisor, World


@pytest.mark.real
@pytest.mark.parametrize("redis_source", ["real"], indirect=True)
def test_the_record_of_an_ordinary_job_that_has_ended_is_compact(world: World, alpha: Supervisor) -> None:
    job_id = world.enqueue(
        timeout_ms=300_000, max_attempts=3, max_crashes=3, backoff=Backoff(), tags=("customer=42", "nightly")
    )
    receipt = Receipt(86_399.123456, 86_399.123456, 86_399.123456, 2**40)
    alpha.settle(alpha.claim_one(), Outcome.SUCCEEDED, result=b"null", receipt=receipt)
    assert world.store.get(job_id).receipt == receipt
    # redis-py does not type it.
    client: Any = world.client
    assert client.object("encoding", world.keys.job(job_id)) == b"listpack"
