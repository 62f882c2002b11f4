"""Both clients, over scripted answers; what holds for one must hold for the other."""

import asyncio
import inspect
import json
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
from msgspec import Struct, field

from jobworker.client import AsyncClient, Client

URL = "http://api.test:8080"


class Script(Struct):
    """What the API answers, in order, and what it was asked."""

    answers: deque[httpx2.Response | Exception] = field(default_factory=deque)
    asked: list[httpx2.Request] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    now: float = 0.0

    def will_answer(self, body: Any = None, status: int = 200, **headers: str) -> None:
        content = b"" if status == 204 else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.append(httpx2.Response(status, content=content, headers=named))

    def will_refuse(self, status: int, detail: str, *errors: tuple[str, str], **headers: str) -> None:
        problem: dict[str, Any] = {"title": "No", "status": status, "detail": detail, "request_id": "r1"}
        problem["errors"] = [{"pointer": pointer, "detail": what} for pointer, what in errors]
        self.will_answer(problem, status, **headers)

    def will_fail(self, error: Exception) -> None:
        self.answers.append(error)

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        answer = self.answers.popleft()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    async def sleep_async(self, seconds: float) -> None:
        self.sleep(seconds)


#: Calls a method of the client, by name, and returns what it returns, or all that it yields.
Call = Callable[..., Any]


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture(params=["blocking", "asyncio"])
def make(request: pytest.FixtureRequest, script: Script) -> Iterator[Callable[..., Call]]:
    """Makes a client with options, and returns what calls it."""
    with asyncio.Runner() as runner:
        yield lambda **options: (_blocking if request.param == "blocking" else _asyncio)(runner, script, options)


@pytest.fixture
def call(make: Callable[..., Call]) -> Call:
    return make()


def _blocking(_runner: asyncio.Runner, script: Script, options: dict[str, Any]) -> Call:
    transport = httpx2.MockTransport(script.answer)
    client = Client(URL, transport=transport, sleep=script.sleep, clock=lambda: script.now, **options)

    def call(name: str, *arguments: Any, **named: Any) -> Any:
        answer = getattr(client, name)(*arguments, **named)
        return list(answer) if inspect.isgenerator(answer) else answer

    return call


def _asyncio(runner: asyncio.Runner, script: Script, options: dict[str, Any]) -> Call:
    transport = httpx2.MockTransport(script.answer)
    client = AsyncClient(URL, transport=transport, sleep=script.sleep_async, clock=lambda: script.now, **options)

    async def awaited(name: str, *arguments: Any, **named: Any) -> Any:
        answer = getattr(client, name)(*arguments, **named)
        return [each async for each in answer] if inspect.isasyncgen(answer) else await answer

    return lambda name, *arguments, **named: runner.run(awaited(name, *arguments, **named))
