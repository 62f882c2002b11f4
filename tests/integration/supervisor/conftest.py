"""A workplace on the shared server, emptied, or on one of the test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.gate import Gate
from tests.support.redis_server import RedisServer
from tests.support.supervisor_process import Workplace


@pytest.fixture
def place(redis_server: RedisServer, tmp_path: Path) -> Iterator[Workplace]:
    workplace = Workplace(redis_server, tmp_path)
    yield workplace
    workplace.close()


@pytest.fixture
def own_place(own_server: RedisServer, tmp_path: Path) -> Iterator[Workplace]:
    workplace = Workplace(own_server, tmp_path)
    yield workplace
    workplace.close()


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    gate = Gate(tmp_path)
    yield gate
    gate.close()
