"""The one way to wait for what sends no event."""

import time
from collections.abc import Callable


def wait_until(predicate: Callable[[], object], timeout_seconds: float = 10) -> None:
    """Return when the predicate holds; fail after the timeout."""
    deadline = time.monotonic() + timeout_seconds
    while not predicate():
        assert time.monotonic() < deadline, f"waited {timeout_seconds} s in vain"
        time.sleep(0.005)
