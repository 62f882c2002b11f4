import asyncio
import math
from typing import Any

import pytest
from msgspec import Struct

from jobworker.handlers import Fail, Job, handler, testing
from jobworker.handlers.errors import BadResult, InvalidPayload, UnknownHandler
from jobworker.handlers.registry import Registry
from jobworker.handlers.submission import FollowUp


class Resize(Struct):
    path: str
    width: int = 800


def test_a_handler_runs_on_a_payload_read_as_a_worker_reads_it(registry: Registry) -> None:
    @handler("resize")
    def resize(image: Resize) -> Resize:
        return image

    assert testing.run("resize", {"path": "a"}, registry=registry) == {"path": "a", "width": 800}
    assert testing.run("resize", Resize("a", 3), registry=registry) == {"path": "a", "width": 3}


def test_an_async_handler_runs(registry: Registry) -> None:
    @handler("later")
    async def later(payload: int) -> int:
        await asyncio.sleep(0)
        return payload

    assert testing.run("later", 3, registry=registry) == 3


def test_the_job_says_what_the_test_said(registry: Registry) -> None:
    @handler("tell")
    def tell(job: Job) -> list[Any]:
        return [job.type, job.queue, job.attempt, job.max_attempts, math.ceil(job.seconds_left or -1)]

    told = testing.run("tell", registry=registry, queue="q", attempt=2, max_attempts=5, timeout=30)

    assert told == ["tell", "q", 2, 5, 30]


def test_what_the_handler_raises_is_raised(registry: Registry) -> None:
    @handler("fail")
    def fail() -> None:
        raise Fail("no such image")

    with pytest.raises(Fail, match="no such image"):
        testing.run("fail", registry=registry)


def test_a_payload_or_result_that_a_worker_would_refuse_is_refused(registry: Registry) -> None:
    handler("resize")(_resize)
    handler("objects")(lambda: object())

    with pytest.raises(InvalidPayload, match=r"Expected `int`, got `str` - at `\$.width`"):
        testing.run("resize", {"path": "a", "width": "3"}, registry=registry)
    with pytest.raises(BadResult):
        testing.run("objects", registry=registry)


def test_an_unknown_type_is_refused_with_the_known_ones(registry: Registry) -> None:
    with pytest.raises(UnknownHandler, match=r"^no handler has the type resize; known are echo, sleep$"):
        testing.run("resize", registry=registry)


def test_the_builtin_handlers_are_there_without_any_import() -> None:
    assert testing.run("echo", {"a": [1]}) == {"a": [1]}


def _resize(image: Resize) -> None: ...


def test_what_a_handler_submits_is_shown_if_it_succeeds(registry: Registry) -> None:
    @handler("order")
    def order(sku: str, job: Job) -> str:
        job.submit("mail", {"sku": sku}, queue="mails")
        if sku == "none":
            raise ValueError(sku)
        return sku

    submitted: list[FollowUp] = []
    assert testing.run("order", "a", registry=registry, submitted=submitted) == "a"
    assert [(one.type, one.payload, one.queue) for one in submitted] == [("mail", b'{"sku":"a"}', "mails")]
    with pytest.raises(ValueError, match="none"):
        testing.run("order", "none", registry=registry, submitted=submitted)
    assert len(submitted) == 1
    assert testing.run("order", "b", registry=registry) == "b"
