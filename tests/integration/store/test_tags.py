"""Tags: what jobs are found by, for as long as they are kept."""

import pytest

from jobworker.store.errors import InvalidJob
from jobworker.store.flaws import Flaw, Kind
from jobworker.store.ids import new_job_id
from jobworker.store.job import NewJob
from jobworker.store.limits import MAX_JOB_TAGS, MAX_TAGS
from jobworker.store.listing import Cursor, JobFilter
from jobworker.store.repair import Mending, Repair
from jobworker.store.retention import Retention
from jobworker.store.states import JobState, Outcome
from tests.support.watched_redis import START_MS
from tests.support.world import Supervisor, World


def listed(world: World, limit: int = 2, **wanted: object) -> list[str]:
    """Return the ids of all pages."""
    ids: list[str] = []
    cursor: str | None = None
    while True:
        page = world.store.list_jobs(JobFilter(**wanted), limit=limit, cursor=cursor)  # type: ignore[arg-type]
        ids += [job.id for job in page.jobs]
        cursor = page.next_cursor
        if cursor is None:
            return ids


def walked(world: World, **wanted: object) -> str:
    """Return the index that a page walks, one job long."""
    filtered = JobFilter(**wanted)  # type: ignore[arg-type]
    cursor = world.store.list_jobs(filtered, limit=1).next_cursor
    assert cursor is not None
    return Cursor.decode(cursor, filtered).walk


def test_a_job_is_found_by_each_of_its_tags(world: World) -> None:
    both = world.enqueue(tags=("customer=42", "nightly"))
    world.enqueue()
    world.enqueue(tags=("customer=4", "night"))
    assert world.store.get(both).tags == ("customer=42", "nightly")
    assert listed(world, tag="nightly") == listed(world, tag="customer=42") == [both]
    assert listed(world, tag="unknown") == []


def test_a_tag_narrows_what_other_filters_find(world: World, alpha: Supervisor) -> None:
    done = world.enqueue(tags=("a",), type="mail")
    alpha.settle(alpha.claim_one(), Outcome.SUCCEEDED)
    waiting = world.enqueue(tags=("a", "b"), type="mail", queue="slow")
    world.enqueue(type="mail")
    assert listed(world, tag="a", type="mail") == [waiting, done]
    assert listed(world, tag="a", status=JobState.SUCCEEDED) == [done]
    assert listed(world, tag="b", status=JobState.PENDING, queue="slow") == [waiting]
    assert listed(world, tag="b", queue="default") == []


def test_the_smallest_index_is_walked(world: World) -> None:
    for _ in range(3):
        world.enqueue(type="mail", tags=("a",))
    for _ in range(3):
        world.enqueue(type="mail")
    assert walked(world, tag="a", type="mail", status=JobState.PENDING) == "tag"
    for _ in range(5):
        world.enqueue(type="other", tags=("a",), delay_ms=1000)
    assert walked(world, tag="a", type="mail") == "type"
    assert walked(world, tag="a", status=JobState.SCHEDULED) == "status"


def test_a_range_begins_with_its_first_moment_and_ends_before_its_last(world: World) -> None:
    ids = []
    for _ in range(5):
        ids.append(world.enqueue(type="mail", tags=("a",)))
        world.advance(10)
    for filters in ({}, {"type": "mail"}, {"tag": "a"}, {"status": JobState.PENDING}, {"queue": "default"}):
        found = listed(world, created_after_ms=START_MS + 10, created_before_ms=START_MS + 40, **filters)
        assert sorted(found) == ids[1:4]
        assert sorted(listed(world, created_after_ms=START_MS + 31, **filters)) == ids[4:]
        assert sorted(listed(world, created_before_ms=START_MS + 1, **filters)) == ids[:1]
        assert listed(world, created_after_ms=START_MS + 41, **filters) == []


def test_many_jobs_before_a_range_are_not_looked_at(world: World) -> None:
    for _ in range(10):
        world.store.enqueue([NewJob(new_job_id(), "echo") for _ in range(120)])
    world.advance(10)
    job_id = world.enqueue()
    page = world.store.list_jobs(JobFilter(created_after_ms=START_MS + 5), limit=2)
    assert ([job.id for job in page.jobs], page.next_cursor) == ([job_id], None)


def test_a_tag_goes_with_the_last_job_that_has_it(world: World) -> None:
    first, second = world.enqueue(tags=("a", "b")), world.enqueue(tags=("a",))
    world.store.cancel(first)
    world.store.cancel(second)
    world.store.delete(first)
    assert world.snapshot()["tags"] == {"a"}
    world.store.delete(second)
    assert not {"tags", "by_tag:a", "by_tag:b"} & world.snapshot().keys()


@pytest.mark.parametrize("retention", [Retention(keep_ms=1000)])
def test_a_tagged_job_that_is_swept_leaves_nothing(world: World, alpha: Supervisor) -> None:
    world.enqueue(tags=("a", "b"))
    alpha.settle(alpha.claim_one(), Outcome.SUCCEEDED)
    world.advance(1001)
    assert alpha.sweep() == 0
    assert not {"tags", "by_tag:a", "by_tag:b", "created"} & world.snapshot().keys()


@pytest.mark.parametrize("retention", [Retention(keep_ms=1000)])
def test_what_a_lost_record_was_tagged_with_goes_as_well(world: World, alpha: Supervisor) -> None:
    job_id = world.enqueue(tags=("a",))
    alpha.settle(alpha.claim_one(), Outcome.SUCCEEDED)
    world.client.delete(world.keys.job(job_id))
    world.advance(1001)
    alpha.sweep()
    assert "by_tag:a" not in world.snapshot()


def test_a_repeat_changes_nothing_and_a_retry_keeps_the_tags(world: World) -> None:
    job = NewJob(new_job_id(), "echo", tags=("a",))
    world.store.enqueue([job])
    world.store.enqueue([job])
    world.store.cancel(job.id)
    world.store.retry(job.id)
    assert listed(world, tag="a") == [job.id]


def test_one_tag_too_many_keeps_out_all(world: World) -> None:
    tags = [f"tag-{number}" for number in range(MAX_TAGS)]
    for start in range(0, MAX_TAGS, MAX_JOB_TAGS):
        world.enqueue(tags=tuple(tags[start : start + MAX_JOB_TAGS]))
    before = world.snapshot()
    with pytest.raises(InvalidJob, match="jobs have 1000 different tags already") as refused:
        world.store.enqueue([NewJob(new_job_id(), "echo"), NewJob(new_job_id(), "echo", tags=("tag-1", "more"))])
    assert refused.value.field == "tags"
    assert world.snapshot() == before


def test_a_follow_up_has_tags_or_is_refused_with_one_too_many(world: World, alpha: Supervisor) -> None:
    world.enqueue()
    world.enqueue()
    follow_up, refused = (NewJob(new_job_id(), "echo", priority=1, tags=(tag,)) for tag in ("a", "b"))
    assert alpha.settle(alpha.claim_one(), Outcome.SUCCEEDED, follow_ups=(follow_up,)) == "succeeded"
    assert listed(world, tag="a") == [follow_up.id]
    alpha.incarnation._exchange_limits[-1] = 1
    assert alpha.settle(alpha.claim_one(), Outcome.SUCCEEDED, follow_ups=(refused,)) == "failed"
    assert listed(world, tag="b") == []


@pytest.mark.parametrize("index", ["by_tag:a", "by_tag:wrong", "tags"])
def test_a_repair_files_a_job_by_its_tags(world: World, index: str) -> None:
    job_id = world.enqueue(tags=("a",))
    world.client.delete(world.keys.tags, world.keys.by_tag("a"))
    world.client.zadd(world.keys.by_tag("wrong"), {job_id: 1})
    world.client.sadd(world.keys.tags, "wrong")
    repair = Repair(world.watched, world.keys, Retention())
    repair._client = world.client
    [mended] = repair.mend([Flaw(Kind.OMITTED, job_id, index)])
    [wrong] = repair.mend([Flaw(Kind.MISFILED, job_id, "by_tag:wrong")])
    assert mended.mending is Mending.FILED
    assert wrong.mending in (Mending.FILED, Mending.AGREES)
    assert listed(world, tag="a") == [job_id]
    assert world.snapshot()["tags"] == {"a"}


def test_a_tag_without_jobs_is_taken_out_of_the_register(world: World) -> None:
    world.client.sadd(world.keys.tags, "empty")
    repair = Repair(world.client, world.keys, Retention())
    assert [each.mending for each in repair.mend([Flaw(Kind.EMPTY, "empty", "tags")])] == [Mending.REMOVED]
