"""What may happen next, and how often: clients, supervisors and time act in any order."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from jobworker.store.states import JobState, Outcome
from tests.model.store.driver import BEAT_MS, Driver
from tests.support.redis_source import RedisSource
from tests.support.world import LEASE_MS

JOBS = st.sampled_from([f"job{number}" for number in range(6)])
QUEUES = st.sampled_from(["default", "bulk"])
TYPES = st.sampled_from(["echo", "count"])
NAMES = st.sampled_from(["alpha", "beta"])
#: The first in a list, mostly.
PLACES = st.sampled_from([0, 0, 1, 0, 0, 1, 2, 3])
NEW_JOBS = st.fixed_dictionaries(
    {
        "id": JOBS,
        "type": TYPES,
        "queue": QUEUES,
        "priority": st.sampled_from([5, 1, 10]),
        "delay_ms": st.sampled_from([0, 0, 0, 0, 1000, 20_000]),
        "expires_in_ms": st.sampled_from([None, None, None, None, 2000, 30_000, 0]),
        "max_attempts": st.sampled_from([None, None, 1]),
        "max_crashes": st.sampled_from([None, None, 1]),
    }
)
#: Place of the attempt, outcome, whether final, delay, bytes printed.
SETTLES = st.lists(
    st.tuples(
        PLACES,
        st.sampled_from(Outcome),
        st.sampled_from([False, False, True]),
        st.sampled_from([0, 1500]),
        st.integers(0, 2),
    ),
    max_size=3,
)
WANTED = st.sampled_from([["", ""], ["", "bulk"], [""], ["bulk", "", "", ""], []])
SERVED = st.sampled_from([(), (), (), ("default",), ("bulk", "default")])


@dataclass(frozen=True)
class Act:
    """One thing that somebody does."""

    do: Callable[..., None]
    options: dict[str, Any]

    def __repr__(self) -> str:
        return f"{self.do.__name__}({', '.join(f'{name}={value!r}' for name, value in self.options.items())})"


def acts(*table: tuple[int, Callable[..., None], dict[str, st.SearchStrategy[Any]]]) -> st.SearchStrategy[Act]:
    """Return acts of a table of weights, methods of the driver, and what they are given."""
    each = ([st.builds(Act, st.just(do), st.fixed_dictionaries(options))] * weight for weight, do, options in table)
    return st.one_of(list(chain.from_iterable(each)))


CLIENTS = acts(
    (6, Driver.enqueue, {"new_jobs": st.lists(NEW_JOBS, min_size=1, max_size=4)}),
    (4, Driver.change, {"job_id": JOBS, "what": st.sampled_from(["cancel", "cancel", "retry", "delete"])}),
    (1, Driver.pause_or_resume, {"queue": st.none() | QUEUES, "what": st.sampled_from(["resume", "resume", "pause"])}),
    (1, Driver.ask_to_scale, {"name": NAMES, "workers": st.integers(1, 2)}),
    (1, Driver.read, {"status": st.sampled_from(JobState)}),
    (
        1,
        Driver.repair,
        {"job_id": JOBS, "index": st.sampled_from(["scheduled", "ready:default", "expiring"])},
    ),
)
WORK = acts((1, Driver.exchange, {"place": PLACES, "settles": SETTLES, "wanted": WANTED, "queues": SERVED}))
SUPERVISORS = acts(
    (2, Driver.repeat_an_exchange, {"place": PLACES, "ago": st.sampled_from([0, 0, 1, 2])}),
    (
        2,
        Driver.reconcile,
        {"place": PLACES, "listed": st.lists(PLACES, max_size=3), "is_late": st.booleans()},
    ),
    (2, Driver.beat, {"place": PLACES, "is_done": st.booleans()}),
    (1, Driver.leave, {"place": PLACES}),
    (3, Driver.register, {"name": NAMES, "with_proof": st.booleans()}),
    (
        2,
        Driver.report,
        {"place": PLACES, "which": PLACES, "at": PLACES, "size": PLACES, "told": st.booleans()},
    ),
    (1, Driver.keep_stack, {"place": PLACES, "which": PLACES}),
    (1, Driver.publish, {"place": PLACES, "types": st.lists(TYPES, unique=True)}),
    (1, Driver.tally_and_sweep, {"place": PLACES, "type_name": TYPES, "is_new": st.booleans()}),
)
TIME = acts(
    (5, Driver.let_time_pass, {"ms": st.sampled_from([1, 1500, BEAT_MS])}),
    (1, Driver.let_time_pass, {"ms": st.sampled_from([LEASE_MS, 61_000, 600_000])}),
    (3, Driver.live_on, {"places": st.sampled_from([[0], [1], [0, 1], [0, 2]])}),
    (1, Driver.step_the_clock_back, {"ms": st.sampled_from([1, 5000])}),
)


class StoreMachine(RuleBasedStateMachine):
    """One run, in which two supervisors have just registered."""

    def __init__(self, source: RedisSource) -> None:
        super().__init__()
        self.driver = Driver(source)

    def teardown(self) -> None:
        self.driver.close()

    @initialize(new_jobs=st.lists(NEW_JOBS, min_size=3, max_size=6))
    def begin(self, new_jobs: list[dict[str, Any]]) -> None:
        for name in ("alpha", "beta"):
            self.driver.register(name, with_proof=False)
        self.driver.enqueue(new_jobs)

    @rule(act=CLIENTS)
    def a_client(self, act: Act) -> None:
        act.do(self.driver, **act.options)

    @rule(act=SUPERVISORS)
    def a_supervisor(self, act: Act) -> None:
        act.do(self.driver, **act.options)

    @rule(before=st.lists(CLIENTS, max_size=2), act=WORK)
    def work(self, before: list[Act], act: Act) -> None:
        for one in (*before, act):
            one.do(self.driver, **one.options)

    @rule(act=TIME)
    def time(self, act: Act) -> None:
        act.do(self.driver, **act.options)
