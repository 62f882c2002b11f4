"""Claims as the exchange answers them."""

from typing import Any

from jobworker.store.claims import Claim


def a_claim(**fields: Any) -> Claim:
    """Return a claim of an ordinary job; name what is not ordinary about it."""
    plain: dict[str, Any] = {
        "id": "job-1",
        "token": 100,
        "type": "echo",
        "queue": "default",
        "payload": b"null",
        "attempt": 1,
        "timeout_ms": None,
        "max_attempts": None,
        "max_crashes": None,
        "failures": 0,
        "backoff": None,
        "created_ms": 1_700_000_000_000,
        "worker": 4711,
    }
    return Claim(**{**plain, **fields})
