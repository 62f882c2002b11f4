"""Entries of the catalogue of handlers."""

import msgspec
import pytest

from jobworker.store.catalogue import HandlerDefaults, HandlerEntry, fingerprints


def test_an_entry_comes_back_as_it_was_published_with_the_time_it_was_seen() -> None:
    entry = HandlerEntry("resize", {"type": "object"}, HandlerDefaults(priority=9), "Makes it smaller.", "digest")
    read = HandlerEntry.decode(b"1800000000000 " + msgspec.json.encode(entry))
    assert read == msgspec.structs.replace(entry, seen_ms=1_800_000_000_000)


@pytest.mark.parametrize("timeout", [msgspec.UNSET, None, 2.5])
def test_a_timeout_that_nobody_declared_is_not_the_same_as_none(timeout: msgspec.UnsetType | float | None) -> None:
    entry = HandlerEntry("resize", {}, HandlerDefaults(timeout=timeout))
    assert HandlerEntry.decode(b"1 " + msgspec.json.encode(entry)).defaults.timeout == timeout


def test_fields_of_a_newer_version_are_passed_over() -> None:
    assert HandlerEntry.decode(b'1 {"type":"echo","schema":{},"of_tomorrow":1}') == HandlerEntry("echo", {}, seen_ms=1)


def test_a_fingerprint_is_of_what_callers_must_agree_on() -> None:
    entry = HandlerEntry("resize", {"type": "object", "title": "A"}, HandlerDefaults(priority=9))
    same = HandlerEntry("resize", {"title": "A", "type": "object"}, HandlerDefaults(priority=9), "Text.", "digest", 7)
    assert entry.fingerprint == same.fingerprint
    for other in ({"schema": {"type": "object"}}, {"defaults": HandlerDefaults(priority=8)}):
        assert msgspec.structs.replace(entry, **other).fingerprint != entry.fingerprint
    assert msgspec.json.decode(fingerprints([entry])) == {"resize": entry.fingerprint}
