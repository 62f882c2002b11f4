"""All of Redis as one value, so that a test can say what it expects of every key."""

from collections.abc import Mapping
from typing import Any

import redis

#: Keys of the test itself, which say nothing about the store.
TEST_PREFIX = b"test:"


def snapshot(client: redis.Redis) -> dict[str, Any]:
    """Return every key with its value: hashes and zsets as dicts, sets as sets, lists and streams as lists."""
    found: Any = client.keys()
    names = sorted(name for name in found if not name.startswith(TEST_PREFIX))
    pipeline = client.pipeline(transaction=False)
    for name in names:
        pipeline.type(name)
    kinds = [kind.decode() for kind in pipeline.execute()]
    for name, kind in zip(names, kinds, strict=True):
        _ask(pipeline, name, kind)
    values = pipeline.execute()
    return {_text(name): _plain(value) for name, value in zip(names, values, strict=True)}


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return what differs: of hashes and zsets the entries, of all else the whole value; None for what is gone."""
    return {
        key: _entry_changes(before.get(key), after.get(key))
        for key in before.keys() | after.keys()
        if before.get(key) != after.get(key)
    }


def _ask(pipeline: Any, name: bytes, kind: str) -> None:
    questions = {
        "hash": lambda: pipeline.hgetall(name),
        "zset": lambda: pipeline.zrange(name, 0, -1, withscores=True),
        "set": lambda: pipeline.smembers(name),
        "list": lambda: pipeline.lrange(name, 0, -1),
        "string": lambda: pipeline.get(name),
        "stream": lambda: pipeline.xrange(name),
    }
    questions[kind]()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {_text(field): _text(item) for field, item in value.items()}
    if isinstance(value, set):
        return {_text(item) for item in value}
    if isinstance(value, list):
        if value and isinstance(value[0], tuple) and isinstance(value[0][1], dict):
            # When what is in a stream was told is the server's own clock's business.
            return [_plain(fields) for _, fields in value]
        if value and not isinstance(value[0], bytes):
            return {_text(member): int(score) for member, score in value}
        return [_text(item) for item in value]
    return _text(value)


def _text(value: bytes) -> str:
    return value.decode(errors="backslashreplace")


def _entry_changes(old: Any, new: Any) -> Any:
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    return {field: new.get(field) for field in old.keys() | new.keys() if old.get(field) != new.get(field)}
