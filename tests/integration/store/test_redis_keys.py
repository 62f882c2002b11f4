"""docs/redis-keys.md and the code name the same keys and fields: what a life of jobs leaves in Redis is all there."""

import inspect
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from msgspec import Struct

import jobworker.store.scripts
from jobworker.store.apikeys import ApiKey, ApiKeys
from jobworker.store.backoff import Backoff
from jobworker.store.callback import Callback
from jobworker.store.catalogue import HandlerDefaults, HandlerEntry
from jobworker.store.claims import Attempted, Wanted
from jobworker.store.idempotency import IdempotencyKey
from jobworker.store.job import Attempt, AttemptDetail, ErrorInfo, NewJob, Note, Receipt
from jobworker.store.keys import Keys
from jobworker.store.limits import NAME_PATTERN
from jobworker.store.report import LogChunk, Progress
from jobworker.store.roster import HeldSlot, HeldType, Roster, RosterEntry
from jobworker.store.schedules import Firing, NewSchedule
from jobworker.store.states import ENDED, JobState, Outcome
from jobworker.store.stats import Sums
from jobworker.store.timing import Timing
from jobworker.store.trail import Action, Trail
from jobworker.store.unique import UniqueKey
from tests.support.page import Page, quoted
from tests.support.scripts import WRITERS
from tests.support.world import Supervisor, World

PAGE: Final = Page("redis-keys.md")
LUA: Final = Path(jobworker.store.scripts.__file__).parent / "lua"

RECEIPT = Receipt(0.5, 0.25, 0.125, 1024)
ERROR = ErrorInfo("ValueError", "no such luck", "Traceback …")
HELD = HeldType("mail", "it crashes", 1_800_000_000_000, 1_800_000_010_000)
SLOT = HeldSlot(1, 1_800_000_000_000, "SIGSEGV before it reported")
ROSTER = Roster(
    (RosterEntry(100, "idle", 1_800_000_000_000, 3, 4096, 0.5),), restarts=1, held_types=(HELD,), held_slots=(SLOT,)
)
OPTIONS: dict[str, Any] = {
    "timeout_ms": 1000,
    "max_attempts": 5,
    "max_crashes": 5,
    "backoff": Backoff(),
    "memory_limit_mb": 512,
    "tags": ("customer=42", "nightly"),
    "callback": Callback("https://example.org/hook"),
    "trace": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
}


def live(world: World) -> Iterator[None]:
    """Let jobs have every end, and stop wherever something new may be in Redis."""
    alpha = world.register("alpha", queues="default mail=2")
    entry = HandlerEntry("echo", {"type": "object"}, HandlerDefaults(timeout=5.0), "Return it.", "digest")
    world.run(alpha.incarnation.publish([entry], 2))
    alpha.beat(ROSTER)
    alpha.tally(1, Sums("echo", {"succeeded": 1}, 10, 5, 5, 4096))
    world.store.events.listen()
    world.store.pause("mail", who="somebody", reason="a flood")
    ApiKeys(world.client, world.keys).create("deploy", ("admin",))
    Trail(world.client, world.keys).note(Action(who="deploy", what="POST /jobs/pause"))
    _schedule(world)
    jobs = [world.enqueue(expires_at_ms=world.clock.now_ms + 60_000, **OPTIONS) for _ in range(7)]
    world.store.ends.announce(jobs[0])
    world.enqueue(delay_ms=90_000, unique=UniqueKey.of("customer 42"), key=IdempotencyKey.of("key", b"", 60_000))
    yield
    yield from _fail_and_succeed(world, alpha, jobs)
    yield from _cancel(world, alpha)
    world.advance(60_000)
    alpha.exchange()
    assert {world.status(job_id) for job_id in jobs} >= ENDED
    yield
    world.store.retry(jobs[0])
    alpha.leave()
    yield


def _schedule(world: World) -> None:
    template = NewJob("", "echo", payload=b"1", queue="", priority=0)
    new = NewSchedule("daily", Timing(every_ms=1000), "allow", "once", 60_000, template, b"{}")
    world.store.schedules.put(new)
    world.advance(1000)
    [schedule] = world.run(world.dial.due()).schedules
    job = NewJob("", "echo", queue="nightly", priority=1, schedule="daily")
    firing = Firing(schedule, [schedule.due_ms], job, 0, schedule.due_ms + 1000)
    assert world.run(world.dial.fire(firing)) is not None
    world.store.schedules.pause("daily", Note("somebody"))


def _fail_and_succeed(world: World, alpha: Supervisor, jobs: list[str]) -> Iterator[None]:
    detail = AttemptDetail(ERROR, "SIGKILL", 1, RECEIPT, "why", "Thread …")
    claims = {claim.id: claim for claim in alpha.claim(5)}
    alpha.tell(claims[jobs[0]], LogChunk(0, world.clock.now_ms, b"output"), progress=Progress(0.5, "half"))
    alpha.settle(claims[jobs[0]], Outcome.SUCCEEDED, result=b"[1]", receipt=RECEIPT)
    alpha.settle(claims[jobs[1]], Outcome.RAISED, error=ERROR, detail=detail, final=True, receipt=RECEIPT, reason="why")
    alpha.settle(claims[jobs[2]], Outcome.UNHANDLED, error=ERROR, delay_ms=1000)
    alpha.settle(claims[jobs[3]], Outcome.CRASHED, error=ERROR, detail=detail)
    alpha.settle(claims[jobs[4]], Outcome.HELD, delay_ms=1000, reason="held: why")
    yield


def _cancel(world: World, alpha: Supervisor) -> Iterator[None]:
    claim, beyond = alpha.exchange(want=[Wanted(100), Wanted(100)]).claims
    yield
    alpha.settle(beyond, Outcome.RECALLED)
    world.store.control.stack(world.store.get(claim.id))
    world.run(alpha.incarnation.keep_stack(Attempted(claim.id, claim.token), "Thread …"))
    world.store.cancel(claim.id)
    yield
    alpha.settle(claim, Outcome.CANCELLED)
    yield


class Seen:
    """What has been in Redis: keys by their pattern, fields of records by key and name."""

    def __init__(self) -> None:
        self.types: dict[str, set[str]] = defaultdict(set)
        self.values: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        self.with_ttl: set[str] = set()

    def look(self, world: World) -> None:
        """Take in what there is now."""
        for name, value in world.snapshot().items():
            pattern, key = pattern_of(name), world.keys.base + name
            kind: Any = world.client.type(key)
            self.types[pattern].add(kind.decode())
            if world.ttl_ms(key) > 0:
                self.with_ttl.add(pattern)
            if isinstance(value, dict):
                for field, content in value.items():
                    self.values[pattern][re.sub(r"(^|^attempt:)\d+$", r"\1<>", field)].add(str(content))


def pattern_of(name: str) -> str:
    """Return a key without the names in it."""
    kind, *names = name.split(":")
    return ":".join([kind, *("log" if part == "log" else "<>" for part in names)])


def documented(title: str) -> dict[str, list[str]]:
    """Return the rows of a table by the name in its first column; what stands for a name is left out."""
    return {re.sub(r"<\w+>", "<>", quoted(row[0])[0]): row[1:] for row in PAGE.rows(title)}


@pytest.fixture
def seen(world: World) -> Seen:
    seen = Seen()
    for _ in live(world):
        seen.look(world)
    return seen


def test_every_key_that_is_seen_is_documented_with_its_type_and_the_other_way_round(seen: Seen) -> None:
    assert seen.types == {name: {row[0]} for name, row in documented("Keys").items()}


def test_a_key_has_a_ttl_where_the_page_says_so_and_nowhere_else(seen: Seen) -> None:
    assert seen.with_ttl == {name for name, row in documented("Keys").items() if "TTL" in row[-1]}


def test_every_key_that_can_be_made_is_documented_and_the_other_way_round() -> None:
    keys = Keys("")
    names = [value for name, value in vars(keys).items() if name != "base"]
    for _, method in inspect.getmembers(keys, inspect.ismethod):
        if method.__name__ != "__init__":
            names.append(method(*inspect.signature(method).parameters))
    assert {pattern_of(name.removeprefix(keys.base)) for name in names} == documented("Keys").keys()


def test_every_key_that_a_script_makes_is_documented() -> None:
    source = "".join(file.read_text() for file in LUA.rglob("*.lua"))
    made = set(re.findall(r"base \.\. '([a-z_]+)", source))
    assert made <= {name.partition(":")[0] for name in documented("Keys")}
    assert len(made) >= 10


def test_every_writer_that_is_named_is_a_script() -> None:
    writers = {word for row in documented("Keys").values() for word in quoted(row[2])} - {
        "by_type:<type>",
        "wake:*",
        "1",
    }
    assert writers == WRITERS


@pytest.mark.parametrize(
    ("title", "key"),
    [
        ("Facts about all: `meta`", "meta"),
        ("A job: `job:<id>`", "job:<>"),
        ("Its output: `job:<id>:log`", "job:<>:log"),
        ("A schedule: `schedule:<name>`", "schedule:<>"),
        ("A supervisor: `supervisor:<name>`", "supervisor:<>"),
    ],
)
def test_every_field_of_a_record_is_documented_with_its_kind_and_the_other_way_round(
    seen: Seen, title: str, key: str
) -> None:
    fields = documented(title)
    assert fields.keys() == seen.values[key].keys()
    for field, values in seen.values[key].items():
        kind = fields[field][0]
        assert all(KINDS[kind](value) for value in values), f"{field} is no {kind}: {values}"


def _is_json(text: str) -> bool:
    msgspec.json.decode(text)
    return True


def _is_attempt(text: str) -> bool:
    return Attempt.decode(text.encode()).epoch > 0


#: What the values of each kind look like. Instants lie after 2001, durations are shorter than 300 years.
KINDS: Final[dict[str, Callable[[str], Any]]] = {
    "instant": lambda text: text == "0" or int(text) > 10**12,
    "clock": lambda text: int(text) > 10**15,
    "duration": lambda text: 0 <= int(text) < 10**13,
    "count": lambda text: 0 <= int(text) < 10**9,
    "flag": lambda text: text in ("0", "1"),
    "version": lambda text: re.fullmatch(r"\d+\.\d+", text),
    "due": lambda text: text == "" or int(text) > 10**12,
    "pause": lambda text: re.fullmatch(r"\d{13} \{.*\}", text),
    "name": lambda text: re.match(NAME_PATTERN, text),
    "status": lambda text: text in set(JobState),
    "text": lambda _: True,
    "JSON": _is_json,
    "attempt": _is_attempt,
    "chunk": lambda text: re.match(r"\d{13} [1-9]\d* \d+ ", text),
    "position": lambda text: re.fullmatch(r"\d{16} \d+", text),
}


def test_the_fields_of_what_is_json_are_those_of_its_structs() -> None:
    structs: tuple[type[Struct], ...] = (
        *(Backoff, ErrorInfo, Note, Progress, Receipt, AttemptDetail, HandlerEntry, HandlerDefaults),
        *(ApiKey, Roster, RosterEntry, HeldType, HeldSlot),
    )
    rows = {row[0]: set(quoted(row[1])) for row in PAGE.rows("What the JSON holds")}
    assert rows == {struct.__name__: set(struct.__struct_fields__) for struct in structs}
