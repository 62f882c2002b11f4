"""What an attempt may take, and who says so."""

from typing import Any

import pytest
from msgspec import UNSET

from jobworker.store.backoff import Backoff
from jobworker.store.catalogue import HandlerDefaults, HandlerEntry
from jobworker.store.settings import JobSettings
from jobworker.supervisor.budget import Budget
from tests.support.claims import a_claim

SETTINGS = JobSettings(timeout=300.0, max_attempts=3, max_crashes=4)


def budget(declared: HandlerDefaults | None = None, **asked: Any) -> Budget:
    catalogue = {} if declared is None else {"echo": HandlerEntry("echo", {}, declared)}
    return Budget.of(a_claim(**asked), catalogue, SETTINGS)


def test_the_settings_fill_in_what_nobody_has_said() -> None:
    assert budget(HandlerDefaults()) == Budget(300.0, 3, 4, SETTINGS.backoff)


def test_a_type_that_nobody_knows_gets_the_settings() -> None:
    assert budget() == Budget(300.0, 3, 4, SETTINGS.backoff)


def test_the_declaration_goes_before_the_settings() -> None:
    declared = HandlerDefaults(timeout=5.0, max_attempts=7, max_crashes=8, backoff=Backoff(base=9))
    assert budget(declared) == Budget(5.0, 7, 8, Backoff(base=9))


def test_the_request_goes_before_the_declaration() -> None:
    declared = HandlerDefaults(timeout=5.0, max_attempts=7, max_crashes=8, backoff=Backoff(base=9))
    asked = budget(declared, timeout_ms=1500, max_attempts=1, max_crashes=2, backoff=Backoff(base=0))
    assert asked == Budget(1.5, 1, 2, Backoff(base=0))


@pytest.mark.parametrize(
    ("declared", "asked_ms", "seconds"),
    [(None, None, None), (None, 2000, 2.0), (5.0, 0, None), (UNSET, 0, None), (UNSET, None, 300.0)],
)
def test_no_deadline_is_a_deadline_that_was_declared_so(declared: Any, asked_ms: int | None, seconds: Any) -> None:
    assert budget(HandlerDefaults(timeout=declared), timeout_ms=asked_ms).timeout_seconds == seconds


@pytest.mark.parametrize(
    ("asked", "declared", "set_to", "limit"),
    [(64, 128, 256, 64), (None, 128, 256, 128), (None, None, 256, 256), (None, None, "none", None)],
)
def test_a_memory_limit_is_the_requests_else_the_handlers_else_the_settings(
    asked: int | None, declared: int | None, set_to: Any, limit: int | None
) -> None:
    entry = HandlerEntry("echo", {}, HandlerDefaults(memory_limit_mb=declared))
    claim, settings = a_claim(memory_limit_mb=asked), JobSettings(memory_limit_mb=set_to)
    assert Budget.of(claim, {"echo": entry}, settings).memory_limit_mb == limit


@pytest.mark.parametrize(("timeout_ms", "soft"), [(5000, 2.0), (0, 2.0), (2000, None), (1000, None), (None, 2.0)])
def test_a_soft_timeout_is_used_if_the_deadline_comes_later(timeout_ms: int | None, soft: float | None) -> None:
    assert budget(HandlerDefaults(soft_timeout=2.0), timeout_ms=timeout_ms).soft_timeout_seconds == soft


@pytest.mark.parametrize(("declared", "exclusive"), [(None, False), (False, False), (True, True)])
def test_only_a_declaration_makes_an_attempt_exclusive(declared: bool | None, exclusive: bool) -> None:
    assert budget(HandlerDefaults(exclusive=declared)).exclusive is exclusive
