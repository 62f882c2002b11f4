"""The header Idempotency-Key: what makes a request that comes twice one request."""

from typing import Final

import falcon

from jobworker.api.errors import MalformedRequest
from jobworker.api.query import api_key_of
from jobworker.store.idempotency import ALLOWED_KEY, IdempotencyKey, is_idempotency_key

#: Says that an answer is that of an earlier request with the same key, and that nothing was done now.
REPLAYED: Final = "Idempotent-Replayed"

KEY: Final = "Idempotency-Key"


def read_key(req: falcon.Request, body: bytes, keep_seconds: int) -> IdempotencyKey | None:
    """Return the key that a request with this body bears, if any. Raises MalformedRequest."""
    key = req.get_header(KEY)
    if key is None:
        return None
    if not is_idempotency_key(key):
        raise MalformedRequest(f"{KEY} must be {ALLOWED_KEY}")
    # What one client calls its request is nothing to another: they cannot know of each other's names.
    api_key = api_key_of(req)
    return IdempotencyKey.of(key, body, 1000 * keep_seconds, owner="" if api_key is None else api_key.id)
