"""The circuit around Redis."""

from threading import Event

import pytest
from structlog.testing import capture_logs

from jobworker.api.availability import Availability
from jobworker.api.trouble import QUIET_SECONDS
from jobworker.store.errors import (
    InvalidJob,
    JobNotFound,
    StoreError,
    StoreFull,
    StoreMisconfigured,
    StoreUnavailable,
    WritesRefused,
)
from tests.support.waiting import wait_until


class Probe:
    """Fails until told that Redis is back; says when it was asked."""

    def __init__(self, error: StoreError | None = None) -> None:
        self.error = error
        self.calls = 0
        self.called = Event()

    def __call__(self) -> None:
        self.calls += 1
        self.called.set()
        if self.error is not None:
            raise self.error


def make_available(probe: Probe) -> Availability:
    return Availability(probe, interval_seconds=0.001)


def fail(available: Availability, error: StoreError) -> None:
    with pytest.raises(type(error)), available:
        raise error


def is_open(available: Availability) -> bool:
    try:
        with available:
            return True
    except StoreUnavailable:
        return False


def test_calls_pass_while_redis_answers() -> None:
    probe = Probe()
    available = make_available(probe)
    assert is_open(available)
    assert probe.calls == 0


def test_after_one_call_in_vain_nobody_is_let_through() -> None:
    available = make_available(Probe(StoreUnavailable("no route")))
    fail(available, StoreUnavailable("no route"))
    with pytest.raises(StoreUnavailable, match="no route"), available:
        pytest.fail("let through")
    available.close()


def test_a_probe_that_succeeds_lets_calls_through_again() -> None:
    probe = Probe(StoreUnavailable())
    available = make_available(probe)
    fail(available, StoreUnavailable())
    wait_until(lambda: probe.calls >= 3)
    assert not is_open(available)
    probe.error = None
    wait_until(lambda: is_open(available))


@pytest.mark.parametrize("error", [StoreFull(), WritesRefused(), StoreMisconfigured(), JobNotFound("x"), StoreError()])
def test_an_error_that_redis_answers_with_is_no_outage(error: StoreError) -> None:
    probe = Probe()
    available = make_available(probe)
    fail(available, error)
    assert is_open(available)
    assert probe.calls == 0


@pytest.mark.parametrize("answer", [StoreFull(), WritesRefused(), StoreMisconfigured()])
def test_a_probe_that_is_refused_ends_the_outage(answer: StoreError) -> None:
    available = make_available(Probe(answer))
    fail(available, StoreUnavailable())
    wait_until(lambda: is_open(available))


def test_many_failures_are_one_outage_with_one_probe() -> None:
    release = Event()
    calls = 0

    def probe() -> None:
        nonlocal calls
        calls += 1
        assert release.wait(10)

    available = Availability(probe)
    # They were let through before the first of them failed.
    with pytest.raises(StoreUnavailable), available, available, available:
        raise StoreUnavailable
    release.set()
    wait_until(lambda: is_open(available))
    assert calls == 1


def test_callers_are_told_what_the_last_probe_met_and_the_log_each_reason_once() -> None:
    probe = Probe(StoreUnavailable("it loads its data"))
    available = make_available(probe)
    with capture_logs() as lines:
        fail(available, StoreUnavailable("connection reset"))
        wait_until(lambda: probe.calls > 3)
        with pytest.raises(StoreUnavailable, match="it loads its data"), available:
            pass
        probe.error = None
        wait_until(lambda: is_open(available))
    told = [line["reason"] for line in lines if line["event"].startswith("redis is away")]
    assert told == ["connection reset", "it loads its data"]


def test_closing_ends_the_probing() -> None:
    probe = Probe(StoreUnavailable())
    available = Availability(probe, interval_seconds=3600)
    fail(available, StoreUnavailable())
    assert probe.called.wait(10)
    available.close()
    assert not is_open(available)


@pytest.mark.parametrize(
    "error", [StoreFull(), WritesRefused("replica"), StoreMisconfigured("denied"), StoreError("wrong type")]
)
def test_what_redis_refuses_is_remembered(error: StoreError) -> None:
    available = make_available(Probe())
    fail(available, error)
    assert available.trouble.reason == str(error)


@pytest.mark.parametrize("error", [JobNotFound("x"), InvalidJob("no", field="queue")])
def test_an_answer_to_a_caller_s_mistake_is_no_trouble(error: StoreError) -> None:
    available = make_available(Probe())
    fail(available, error)
    assert available.trouble.reason is None


def test_an_outage_is_no_trouble() -> None:
    available = make_available(Probe(StoreUnavailable()))
    fail(available, StoreUnavailable())
    assert available.trouble.reason is None
    available.close()


def test_calls_that_succeed_end_a_trouble_in_time() -> None:
    now = 0.0
    available = Availability(Probe(), clock=lambda: now)
    fail(available, StoreFull())
    now = QUIET_SECONDS
    assert is_open(available)
    assert available.trouble.reason is None
