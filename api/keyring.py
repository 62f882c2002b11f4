"""The API keys as this process knows them: read from Redis at most once a second, whatever is asked."""

import time
from collections.abc import Callable
from threading import Lock
from typing import Final

from jobworker.api.availability import Availability
from jobworker.store.apikeys import ApiKey, ApiKeys, read_token
from jobworker.store.errors import StoreUnavailable

#: For how long a key is believed to be what it was: as long a revoked one may still be used.
FRESH_SECONDS: Final = 1.0
#: For how long there is believed to be no such key: one that was just made is to be of use at once. A flood of invented
#: ones costs Redis ten reads a second.
ABSENT_SECONDS: Final = 0.1


class Keyring:
    """Owns a copy of all keys; they are at most a thousand.

    Told:   by Redis, of the keys.
    Tells:  whether requests need a key, and whose a token is; raises StoreUnavailable while Redis is away, for what was
            valid before may have been revoked since.
    """

    def __init__(
        self,
        api_keys: ApiKeys,
        available: Availability,
        *,
        required: bool,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._api_keys = api_keys
        self._available = available
        self._required = required
        self._clock = clock
        self._wall_clock = wall_clock
        self._lock = Lock()
        self._keys: dict[str, ApiKey | None] = {}
        self._read_at: float | None = None

    @property
    def seemed_closed(self) -> bool:
        """Whether requests needed a key when it was last looked; no word to Redis."""
        return self._required or bool(self._keys)

    def is_closed(self) -> bool:
        """Whether requests need a key: one was made, be it valid or not, and nobody has said that they need none."""
        if self._required:
            return True
        try:
            return bool(self._look(FRESH_SECONDS))
        except StoreUnavailable:
            if self._read_at is None or self._keys:
                raise
            # So it was when last looked. Until Redis is back nothing can be done but say what is wrong with a request.
            return False

    def find(self, token: str) -> ApiKey | None:
        """Return the valid key that this is the token of."""
        credential = read_token(token)
        if credential is None:
            return None
        key = self._look(FRESH_SECONDS).get(credential.id) or self._look(ABSENT_SECONDS).get(credential.id)
        if key is None or not key.is_proven_by(credential.secret):
            return None
        return key if key.is_valid(1000 * self._wall_clock()) else None

    def _look(self, age_seconds: float) -> dict[str, ApiKey | None]:
        """Return the keys as they were at most so long ago."""
        if not self._is_fresh(age_seconds):
            with self._lock:
                # Who waited for the lock finds what another has read meanwhile.
                if not self._is_fresh(age_seconds):
                    asked_at = self._clock()
                    with self._available:
                        self._keys = self._api_keys.all()
                    self._read_at = asked_at
        return self._keys

    def _is_fresh(self, age_seconds: float) -> bool:
        return self._read_at is not None and self._clock() - self._read_at < age_seconds
