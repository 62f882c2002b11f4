"""API keys in Redis: only digests, valid until revoked or expired."""

from hashlib import sha256
from typing import Any

import msgspec
import pytest
import redis

from jobworker.store import apikeys
from jobworker.store.apikeys import ApiKey, ApiKeys, read_token
from jobworker.store.errors import ApiKeyNotFound, ApiKeysValid, TooManyApiKeys
from jobworker.store.keys import Keys

WHERE = Keys().api_keys


@pytest.fixture
def api_keys(redis_client: redis.Redis) -> ApiKeys:
    return ApiKeys(redis_client, Keys())


def test_a_token_is_told_once_and_redis_holds_the_digest_of_its_secret_alone(
    api_keys: ApiKeys, redis_client: redis.Redis
) -> None:
    key, token = api_keys.create("deploy", ("read", "enqueue"))
    credential = read_token(token)
    assert credential is not None
    assert credential.id == key.id
    record: Any = redis_client.hget(WHERE, key.id)
    assert msgspec.json.decode(record) == {
        "name": "deploy",
        "scopes": ["read", "enqueue"],
        "digest": sha256(credential.secret.encode()).hexdigest(),
        "created_ms": key.created_ms,
    }
    assert credential.secret.encode() not in record
    assert api_keys.all() == {key.id: key}
    assert key.is_proven_by(credential.secret)
    assert not key.is_proven_by("0" * 48)


@pytest.mark.parametrize(
    "token",
    [
        *("", "jw_", "jw_0123456789ab", "jw_0123456789ab_", "jw_0123456789ab_" + "0" * 47),
        *("jw_0123456789AB_" + "0" * 48, "xx_0123456789ab_" + "0" * 48, "jw_0123456789ab_" + "0" * 48 + "\n"),
    ],
)
def test_what_is_no_token_is_none(token: str) -> None:
    assert read_token(token) is None


def test_a_key_is_valid_until_it_expires_or_is_revoked(api_keys: ApiKeys) -> None:
    key, _ = api_keys.create("short", ("read",), 60)
    assert key.expires_ms == key.created_ms + 60_000
    assert key.is_valid(key.created_ms + 59_999)
    assert not key.is_valid(key.created_ms + 60_000)
    revoked = api_keys.revoke(key.id)
    assert not revoked.is_valid(key.created_ms)
    assert api_keys.revoke(key.id) == revoked == api_keys.all()[key.id]


def test_no_key_of_this_id_is_said(api_keys: ApiKeys) -> None:
    with pytest.raises(ApiKeyNotFound, match="no API key has the id nobody"):
        api_keys.revoke("nobody")


def test_keys_are_forgotten_when_none_is_valid(api_keys: ApiKeys, redis_client: redis.Redis) -> None:
    key, _ = api_keys.create("a", ("read",))
    with pytest.raises(ApiKeysValid, match="1 of the API keys are still valid"):
        api_keys.forget()
    api_keys.revoke(key.id)
    assert redis_client.exists(WHERE)
    assert (api_keys.forget(), api_keys.forget()) == (1, 0)
    assert not redis_client.exists(WHERE)


def test_a_damaged_record_is_a_key_that_nobody_can_use(api_keys: ApiKeys, redis_client: redis.Redis) -> None:
    redis_client.hset(WHERE, "damaged", "{")
    assert api_keys.all() == {"damaged": None}
    with pytest.raises(ApiKeyNotFound):
        api_keys.revoke("damaged")
    assert api_keys.forget() == 1


def test_there_are_not_more_than_can_be_read_each_second(api_keys: ApiKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apikeys, "MAX_API_KEYS", 2)
    first, second = (api_keys.create(name, ("read",))[0] for name in "ab")
    with pytest.raises(TooManyApiKeys, match="there are 2 valid API keys already"):
        api_keys.create("c", ("read",))
    api_keys.revoke(first.id)
    third, _ = api_keys.create("c", ("read",))
    assert api_keys.all().keys() == {second.id, third.id}


def test_the_digest_is_compared_whole() -> None:
    key = ApiKey(name="a", scopes=(), digest="", created_ms=0)
    assert not key.is_proven_by("")
