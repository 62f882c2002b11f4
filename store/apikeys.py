"""API keys: what may be asked with which. Redis holds digests of their secrets; the secrets it never sees."""

import hmac
import re
import secrets
from hashlib import sha256
from typing import Any, Final, NamedTuple

import msgspec
import redis
from msgspec import Struct

from jobworker.store.connection import translated
from jobworker.store.errors import ApiKeyNotFound, ApiKeysValid, TooManyApiKeys
from jobworker.store.keys import Keys
from jobworker.store.limits import API_TOKEN

#: How many keys may be kept, those that are valid no more included: every API process reads all of them each second.
MAX_API_KEYS: Final = 1000
#: Of these `API_TOKEN` has the digits.
_ID_BYTES: Final = 6
_SECRET_BYTES: Final = 24
_TOKEN: Final = re.compile(rf"{API_TOKEN}\Z")


class Credential(NamedTuple):
    """What a client shows: the two parts of `jw_<id>_<secret>`."""

    id: str
    secret: str


class ApiKey(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What Redis keeps of one key."""

    #: Never written: it is the name of the field.
    id: str = ""
    #: What people call it.
    name: str
    scopes: tuple[str, ...]
    #: SHA-256 of the secret, in hexadecimal digits.
    digest: str
    created_ms: int
    expires_ms: int | None = None
    revoked_ms: int | None = None

    def is_valid(self, now_ms: float) -> bool:
        """Whether it is neither revoked nor expired."""
        return self.revoked_ms is None and (self.expires_ms is None or now_ms < self.expires_ms)

    def is_proven_by(self, secret: str) -> bool:
        """Whether this is its secret; the time that takes does not tell how much of it is right."""
        return hmac.compare_digest(self.digest, _digest(secret))


def read_token(token: str) -> Credential | None:
    """Return the parts of `jw_<id>_<secret>`; None if it is nothing of the kind.

    >>> read_token("jw_0123456789ab_" + "0" * 48).id
    '0123456789ab'
    """
    found = _TOKEN.match(token)
    return Credential(found[1], found[2]) if found else None


class ApiKeys:
    """The keys in Redis; while there are any, valid or not, requests need one. For threads.

    Every method raises StoreUnavailable when Redis is away.
    """

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client: Any = client
        self._where = keys.api_keys

    def create(self, name: str, scopes: tuple[str, ...], keep_seconds: float | None = None) -> tuple[ApiKey, str]:
        """Return a new key and its token, which nobody can read again. Raises TooManyApiKeys."""
        key_id, secret = secrets.token_hex(_ID_BYTES), secrets.token_hex(_SECRET_BYTES)
        with translated():
            now_ms = self._now_ms()
            self._make_room(now_ms)
            expires_ms = None if keep_seconds is None else now_ms + round(1000 * keep_seconds)
            key = ApiKey(name=name, scopes=scopes, digest=_digest(secret), created_ms=now_ms, expires_ms=expires_ms)
            self._client.hset(self._where, key_id, msgspec.json.encode(key))
        return msgspec.structs.replace(key, id=key_id), f"jw_{key_id}_{secret}"

    def all(self) -> dict[str, ApiKey | None]:
        """Return every key by its id; None: its record is damaged, and nobody can use it."""
        with translated():
            entries: dict[bytes, bytes] = self._client.hgetall(self._where)
        return {key_id.decode(errors="replace"): _decoded(key_id, record) for key_id, record in entries.items()}

    def revoke(self, key_id: str) -> ApiKey:
        """Let nobody use a key any more; its record stays, to say so. Raises ApiKeyNotFound."""
        with translated():
            record: bytes | None = self._client.hget(self._where, key_id)
            key = None if record is None else _decoded(key_id.encode(), record)
            if key is None:
                raise ApiKeyNotFound(key_id)
            if key.revoked_ms is None:
                key = msgspec.structs.replace(key, revoked_ms=self._now_ms())
                self._client.hset(self._where, key_id, msgspec.json.encode(msgspec.structs.replace(key, id="")))
        return key

    def forget(self) -> int:
        """Forget all keys, none of which is valid: requests need none from then on. Raises ApiKeysValid."""
        with translated():
            found, now_ms = self.all(), self._now_ms()
            valid = sum(key is not None and key.is_valid(now_ms) for key in found.values())
            if valid:
                raise ApiKeysValid(valid)
            # By their names: one that is made meanwhile stays.
            return int(self._client.hdel(self._where, *found)) if found else 0

    def _make_room(self, now_ms: int) -> None:
        if self._client.hlen(self._where) < MAX_API_KEYS:
            return
        useless = [key_id for key_id, key in self.all().items() if key is None or not key.is_valid(now_ms)]
        if not useless:
            raise TooManyApiKeys(MAX_API_KEYS)
        self._client.hdel(self._where, *useless)

    def _now_ms(self) -> int:
        seconds, microseconds = self._client.time()
        return int(seconds) * 1000 + int(microseconds) // 1000


def _digest(secret: str) -> str:
    # The secret is as random as a digest: there is nothing to guess that a slow hash would protect.
    return sha256(secret.encode()).hexdigest()


def _decoded(key_id: bytes, record: bytes) -> ApiKey | None:
    try:
        key = msgspec.json.decode(record, type=ApiKey)
        return msgspec.structs.replace(key, id=key_id.decode())
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
