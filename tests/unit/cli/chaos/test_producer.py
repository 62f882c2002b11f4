from pathlib import Path

import pytest
from msgspec.structs import replace

from jobworker.cli.chaos import producer
from jobworker.cli.chaos.producer import (
    DELAYED_EVERY,
    FAILS_EVERY,
    SECONDS,
    Orders,
    Post,
    produce,
    read_posts,
    request_of,
    work_of,
)
from tests.unit.cli.stub_api import StubApi

#: Three requests: the time is over before a fourth.
QUICK = Orders(url="", ledger="ledger", posts="", first=1, step=3, per_second=1e6, seconds=60.0)


@pytest.fixture
def orders(stub: StubApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Orders:
    """Orders to post requests 1, 4 and 7, with no pause after what was not accepted."""
    monkeypatch.setattr(producer, "_paced", lambda _orders: iter([1, 4, 7]))
    monkeypatch.setattr(producer, "PAUSE_SECONDS", 0.0)
    return replace(QUICK, url=stub.url, posts=str(tmp_path / "posts"))


def test_each_request_and_its_answer_are_written_down(stub: StubApi, orders: Orders) -> None:
    for job_id in ("a", "b", "c"):
        stub.will_answer({"id": job_id, "status": "pending"}, 202)
    produce(orders)
    assert read_posts(Path(orders.posts)) == [Post(n, "accepted", i) for n, i in ((1, "a"), (4, "b"), (7, "c"))]
    assert [asked.body["payload"]["number"] for asked in stub.asked] == [1, 4, 7]


def test_a_request_without_an_answer_is_sent_again_under_its_key(stub: StubApi, orders: Orders) -> None:
    stub.will_answer({"id": "a", "status": "pending"}, 202)
    stub.will_refuse(503, "Redis is away", Retry_After="1")
    stub.will_refuse(503, "Redis is away", Retry_After="1")
    stub.will_answer(b"not JSON", 502)
    stub.will_answer({"id": "c", "status": "pending"}, 202)
    produce(orders)
    # The second one, number 4, has no key.
    answers = [(post.answer, post.repeats) for post in read_posts(Path(orders.posts))]
    assert answers == [("accepted", 0), ("maybe", 0), ("accepted", 2)]
    assert [asked.body["payload"]["number"] for asked in stub.asked] == [1, 4, 7, 7, 7]
    assert stub.asked[-1].body == stub.asked[-2].body


def test_who_never_gets_an_answer_gives_up(orders: Orders, free_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(producer, "PATIENCE_SECONDS", -60.0)
    produce(replace(orders, url=free_url))
    assert [post.answer for post in read_posts(Path(orders.posts))] == ["maybe"] * 3


def test_a_refusal_is_written_down_and_said(stub: StubApi, orders: Orders, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        stub.will_refuse(400, "no supervisor knows the type")
    produce(orders)
    assert [post.answer for post in read_posts(Path(orders.posts))] == ["refused"] * 3
    assert "no supervisor knows the type" in capsys.readouterr().err


def test_requests_stop_when_the_time_is_over(stub: StubApi, tmp_path: Path) -> None:
    posts = tmp_path / "posts"
    for number in range(1000):
        stub.will_answer({"id": str(number), "status": "pending"}, 202)
    produce(replace(QUICK, url=stub.url, posts=str(posts), per_second=20.0, seconds=0.2))
    # Nothing bounds a busy machine from below but the first request.
    assert 1 <= len(read_posts(posts)) <= 5


def test_a_job_is_always_the_same_and_jobs_are_of_every_length() -> None:
    jobs = [work_of(number, "ledger") for number in range(2000)]
    assert jobs == [work_of(number, "ledger") for number in range(2000)]
    for shortest, longest in SECONDS:
        assert any(shortest <= job.seconds <= longest for job in jobs)
    assert sum(job.fails for job in jobs) == 2000 // FAILS_EVERY


def test_some_jobs_wait_for_their_time() -> None:
    requests = [request_of(work_of(number, "ledger")) for number in range(200)]
    assert sum(request["delay"] > 0 for request in requests) == 200 // DELAYED_EVERY


def test_posts_that_were_never_made_are_none(tmp_path: Path) -> None:
    (tmp_path / "posts").touch()
    assert read_posts(tmp_path / "posts") == []
