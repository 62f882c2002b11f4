"""Where attempts are run as a worker runs them, without a worker."""

from collections.abc import Callable
from typing import Any

import msgspec

from jobworker.handlers import handler
from jobworker.handlers.registry import Registry
from jobworker.supervisor.board import Board, boottime_ns
from jobworker.supervisor.execution import Execution
from jobworker.supervisor.messages import Assignment, Report


class Bench:
    """Runs functions as handlers, as a worker does."""

    def __init__(self) -> None:
        self.registry = Registry()
        self.board = Board()
        self.board.fence_ns = boottime_ns() + 10**12
        self.nudges: list[int] = []
        self.execution = Execution(self.registry, self.board, self.nudges.append)
        self.number = 0

    def declare(self, function: Callable[..., Any]) -> str:
        self.number += 1
        name = f"type-{self.number}"
        with self.registry.collecting():
            handler(name)(function)
        return name

    def assign(self, kind: str, payload: Any = None, **fields: Any) -> Report:
        plain: dict[str, Any] = {
            "id": "job-1",
            "token": 5,
            "type": kind,
            "queue": "images",
            "payload": msgspec.json.encode(payload),
            "attempt": 2,
            "max_attempts": 3,
            "timeout_seconds": 60.0,
            "created_ms": 1_700_000_000_500,
        }
        return self.execution.run(Assignment(**{**plain, **fields}))

    def run(self, function: Callable[..., Any], payload: Any = None, **fields: Any) -> Report:
        return self.assign(self.declare(function), payload, **fields)

    def raised(self, error: BaseException) -> Report:
        def fail() -> None:
            raise error

        return self.run(fail)

    def close(self) -> None:
        self.execution._runner.close()
        self.board.close()
