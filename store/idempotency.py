"""A client's Idempotency-Key, and what was answered to the first request that came with it."""

import re
import secrets
from hashlib import blake2b
from typing import Final, Self

from msgspec import Struct

from jobworker.store.states import JobState

_KEY: Final = re.compile(r"[ -~]{1,255}\Z")
#: In words, what a key may be.
ALLOWED_KEY: Final = "1 to 255 characters of printable ASCII, for example a UUID"
#: Nobody finds two texts with the same digest of this size by chance.
_DIGEST_BYTES: Final = 16


class IdempotencyKey(Struct, frozen=True):
    """What a request calls itself, so that it is one request however often it comes."""

    digest: str
    #: Of the body: the same key with another body is a mistake of the client.
    fingerprint: str
    #: How long it is remembered.
    keep_ms: int

    @classmethod
    def of(cls, key: str, body: bytes, keep_ms: int, *, owner: str = "") -> Self:
        """Return the key of a request with this body, byte for byte; each `owner` has keys of its own."""
        # No key holds a line break.
        return cls(_digest(f"{owner}\n{key}".encode() if owner else key.encode()), _digest(body), keep_ms)

    def of_part(self, place: int) -> Self:
        """Return the key of the part in this place of the request: with another body it is another request, too."""
        # No key begins with a line break.
        digest = _digest(f"\n{self.digest}\n{place}".encode())
        return type(self)(digest, self.fingerprint, self.keep_ms)


class Acceptance(Struct, frozen=True, omit_defaults=True):
    """What a client is told of the job that its request has made; a repeat is told the same."""

    id: str
    #: The first one; of an existing job the present one.
    status: JobState
    type: str
    queue: str
    priority: int
    #: Whether the job was there before, with the same unique key: the request has made none.
    existing: bool = False

    @classmethod
    def decode(cls, line: bytes) -> Self:
        """Read the five words that `lua/enqueue.lua` answers, and perhaps a sixth."""
        job_id, status, type_name, queue, priority, *existing = line.decode().split(" ")
        return cls(job_id, JobState(status), type_name, queue, int(priority), existing == ["existing"])


def is_idempotency_key(text: str) -> bool:
    """Whether a client may call a request so."""
    return _KEY.match(text) is not None


def new_request() -> str:
    """Return a name for a request that has no key, of the length of a digest."""
    return secrets.token_hex(_DIGEST_BYTES)


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=_DIGEST_BYTES).hexdigest()
