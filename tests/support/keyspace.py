"""All of Redis as one number: what must not have changed."""

from hashlib import sha256
from typing import Any

import redis


def digest(client: redis.Redis) -> str:
    """Return a digest of every key with its value."""
    found: Any = client.keys()
    names = sorted(found)
    pipeline = client.pipeline(transaction=False)
    for name in names:
        pipeline.dump(name)
    whole = sha256()
    for name, value in zip(names, pipeline.execute(), strict=True):
        whole.update(b"%d %b %d %b" % (len(name), name, len(value), value))
    return whole.hexdigest()
