"""The way in, over a network that loses the answers of Redis."""

from collections.abc import Iterator

import pytest
import redis

from jobworker.api.availability import Availability
from jobworker.api.intake import Intake
from jobworker.cli.chaos.proxy import Proxy
from jobworker.store.errors import OutcomeUnknown, StoreUnavailable
from jobworker.store.ids import new_job_id
from jobworker.store.job import NewJob
from jobworker.store.jobs import JobStore
from jobworker.store.keys import Keys
from jobworker.store.retention import Retention
from jobworker.store.states import JobState
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real

#: What times out waits this long; a busy machine must answer within half of it.
TIMEOUT_SECONDS = 2.0


@pytest.fixture
def intake(proxy: Proxy) -> Iterator[Intake]:
    store = JobStore.connect(proxy.url, timeout_seconds=TIMEOUT_SECONDS, prefix="jobworker", retention=Retention())
    available = Availability(store.check_writable)
    intake = Intake(store, available, patience_seconds=TIMEOUT_SECONDS / 2)
    # From here on each call is one request with one reply: it is connected, and the server knows the script.
    intake.take(new_job())
    yield intake
    available.close()
    store.close()


def new_job() -> NewJob:
    return NewJob(new_job_id(), "echo", payload=b"1")


def waiting_jobs(server: RedisServer) -> set[str]:
    with redis.Redis(port=server.port, decode_responses=True) as client:
        return set(client.zrange(Keys().ready("default"), 0, -1))


def test_a_job_whose_answer_is_lost_is_accepted_and_is_there_once(
    proxy: Proxy, intake: Intake, redis_server: RedisServer
) -> None:
    before, job = waiting_jobs(redis_server), new_job()
    proxy.lose_next_reply()
    assert intake.take(job).status is JobState.PENDING
    assert proxy.replies_lost == 1
    assert waiting_jobs(redis_server) - before == {job.id}


def test_a_job_whose_answer_does_not_come_in_time_may_have_been_accepted_and_the_sentence_says_so(
    proxy: Proxy, intake: Intake, redis_server: RedisServer
) -> None:
    job = new_job()
    proxy.black_hole()
    with pytest.raises(OutcomeUnknown, match=f"the job may have been accepted: GET /jobs/{job.id} tells"):
        intake.take(job)
    proxy.pass_on()
    wait_until(lambda: job.id in waiting_jobs(redis_server))


def test_a_job_that_was_never_sent_is_not_in_doubt(proxy: Proxy, intake: Intake) -> None:
    proxy.refuse()
    with pytest.raises(StoreUnavailable) as refused:
        intake.take(new_job())
    assert "may have been accepted" not in str(refused.value)
