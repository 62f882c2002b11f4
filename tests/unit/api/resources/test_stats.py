"""GET /stats."""

import asyncio

from jobworker.store.incarnation import Incarnation, Registration, Terms
from jobworker.store.keys import Keys
from jobworker.store.stats import Sums
from tests.support.redis_source import RedisSource
from tests.unit.api.conftest import Api

SUMS = Sums("echo", {"succeeded": 3, "timed_out": 1}, 2_000_000, 500_000, 250_000, 4096)


def hand_over(source: RedisSource, *sums: Sums) -> None:
    async def live() -> None:
        client = source.connect_async()
        who = Registration(host="host", pid=4711, version="1", workers=2)
        alpha = await Incarnation.register(client, Keys(), "alpha", who, Terms(), lock_id="lock")
        await alpha.tally(1, sums)
        await client.aclose()

    asyncio.run(live())


def test_of_nothing_there_are_no_types(api: Api) -> None:
    answer = api.get("/stats")
    assert answer.status == 200
    assert [answer.json[name]["types"] for name in ("hour", "day")] == [[], []]
    for period in answer.json.values():
        assert period["since"] < period["until"]


def test_sums_are_shown_in_seconds_and_bytes(api: Api, redis_source: RedisSource) -> None:
    hand_over(redis_source, SUMS, Sums("mail", {"lost": 1}))
    echo, mail = api.get("/stats").json["hour"]["types"]
    assert echo == {
        "type": "echo",
        "runs": 4,
        "outcomes": {"succeeded": 3, "timed_out": 1},
        "wall_seconds": 2.0,
        "mean_wall_seconds": 0.5,
        "cpu_user_seconds": 0.5,
        "cpu_system_seconds": 0.25,
        "peak_rss_bytes": 4096,
    }
    assert (mail["outcomes"], mail["wall_seconds"], mail["peak_rss_bytes"]) == ({"lost": 1}, 0.0, None)


def test_a_parameter_is_refused(api: Api) -> None:
    assert api.get("/stats?type=echo").status == 422


def test_while_redis_is_away_it_is_503(api: Api) -> None:
    api.lose_redis("test")
    assert api.get("/stats").status == 503
