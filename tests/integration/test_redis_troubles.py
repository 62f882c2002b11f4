"""Whatever is the matter with Redis: API, supervisor and workers say so, lose nothing, and go on when it is over."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from msgspec import Struct

from jobworker.store.durability import UNREADABLE
from tests.support import troubles
from tests.support.command import Command
from tests.support.gate import Gate
from tests.support.redis_server import RedisServer
from tests.support.stage import Answer, Poster, Stage, running_stage
from tests.support.waiting import wait_until

pytestmark = pytest.mark.real

#: What every caller is promised, whatever the matter is.
PROMISE_SECONDS = 3.0
#: How soon after its end a job that is posted then has run; alone on a machine it is one second at most.
RECOVERY_SECONDS = 20.0
#: For what has no promise, on a machine that is loaded many times over.
LONG_SECONDS = 60.0
#: How many answers one waits for.
FEW = 3


class Trouble(Struct, frozen=True):
    """What is the matter, and who says what of it; empty: nobody needs to notice."""

    begin: Callable[[Stage], AbstractContextManager[None]]
    #: What a 503 of the API says.
    refusal: str = ""
    #: What the supervisor says, in its log and by its beat file.
    told: str = ""
    #: Whether reads are answered all the same.
    reads: bool = False


AWAY = "Redis is not reachable"
UNWRITABLE = "Redis takes no writes at the moment: "
UNANSWERING = "Redis takes no calls at the moment: "
PASSWORD = "Redis refuses the user or the password"
DENIED = "Redis's ACL denies a command"

TROUBLES = [
    Trouble(troubles.killed, AWAY, AWAY),
    Trouble(troubles.stopped, AWAY, AWAY),
    Trouble(troubles.slow, reads=True),
    Trouble(troubles.black_hole, AWAY, AWAY),
    # What ends jobs gets in: that makes room.
    Trouble(troubles.full, "Redis is out of memory and refuses writes", reads=True),
    Trouble(troubles.read_only, f"{UNWRITABLE}You can't write against a read only", UNWRITABLE, reads=True),
    Trouble(troubles.unsaved, f"{UNWRITABLE}MISCONF", UNWRITABLE, reads=True),
    Trouble(troubles.unreplicated, f"{UNWRITABLE}NOREPLICAS", UNWRITABLE, reads=True),
    Trouble(troubles.loading, UNANSWERING, UNANSWERING),
    Trouble(troubles.busy, f"{UNANSWERING}BUSY", f"{UNANSWERING}BUSY"),
    Trouble(troubles.forgetful, reads=True),
    Trouble(troubles.cutting),
    Trouble(troubles.crowded, f"{UNANSWERING}max number", f"{UNANSWERING}max number"),
    Trouble(troubles.other_password, PASSWORD, PASSWORD),
    Trouble(troubles.no_permission, DENIED, DENIED),
]


@pytest.fixture(scope="module")
def stage(shared_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One for all troubles: who has survived one is to survive the next."""
    with running_stage(tmp_path_factory.mktemp("stage")) as stage:
        yield stage


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    gate = Gate(tmp_path)
    yield gate
    gate.close()


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.begin.__name__)
def test_a_trouble_is_told_and_survived_without_a_loss(stage: Stage, gate: Gate, trouble: Trouble) -> None:
    running = stage.submit("gate", gate.payload)
    gate.wait_for_attempt()
    said = len(stage.supervisor.err)
    with Poster(stage) as poster:
        wait_until(lambda: len(poster.accepted) >= FEW, LONG_SECONDS)
        with trouble.begin(stage):
            _wait_until_told(stage, poster, trouble, said)
            # It ends while nobody takes its result, which waits.
            gate.open()
            _assert_served(stage, trouble)
        over_at = time.monotonic()
        wait_until(lambda: _has_run_one(stage), LONG_SECONDS)
        assert time.monotonic() - over_at < RECOVERY_SECONDS
    for answer in poster.answers:
        _assert_right(answer)
    for job_id in (running, *poster.accepted):
        wait_until(lambda job_id=job_id: stage.has_succeeded(job_id), LONG_SECONDS)  # type: ignore[misc] # mypy reads no default
    job = stage.job(running)
    assert (job["attempt"], job["crashes"], job["attempts"]) == (1, 0, [])
    _assert_well(stage)


@pytest.mark.parametrize("path", ["jobs", "queues", "queues/default", "supervisors", "workers", "handlers", "stats"])
def test_the_permissions_that_the_manual_asks_for_let_everything_be_read(stage: Stage, path: str) -> None:
    assert _has_run_one(stage)
    assert stage.api.request("GET", f"/{path}").status == 200


def test_they_let_everything_be_done(stage: Stage) -> None:
    assert stage.api.request("POST", "/jobs/pause").status == 200
    job_id = stage.submit("echo")
    assert stage.api.request("POST", f"/jobs/{job_id}/cancel").status == 200
    assert stage.api.request("POST", f"/jobs/{job_id}/retry").status == 202
    assert stage.api.request("POST", "/jobs/resume").status == 200
    wait_until(lambda: stage.has_succeeded(job_id))
    assert stage.api.request("GET", f"/jobs/{job_id}/log").status == 200
    assert stage.api.request("DELETE", f"/jobs/{job_id}").status == 204
    assert stage.api.post("/supervisors/one/scale", {"workers": 2}).status == 202


def test_what_they_do_not_let_be_read_is_not_guessed(stage: Stage, tmp_path: Path) -> None:
    ready = stage.api.request("GET", "/readyz").json
    assert ready["durability"]["meaning"] == f"what a 202 means {UNREADABLE}"
    assert {value for name, value in ready["durability"].items() if name != "meaning"} == {None, 0}
    with Command.jobworker("doctor", "--redis", stage.url, directory=tmp_path) as doctor:
        assert doctor.wait() == 0
        assert f"what a 202 means {UNREADABLE}" in doctor.out


def _wait_until_told(stage: Stage, poster: Poster, trouble: Trouble, said: int) -> None:
    if trouble.refusal:
        wait_until(lambda: sum(trouble.refusal in detail for detail in poster.refusals) >= FEW, LONG_SECONDS)
    else:
        more = len(poster.accepted) + FEW
        wait_until(lambda: len(poster.accepted) >= more, LONG_SECONDS)
    if trouble.told:
        wait_until(lambda: trouble.told in stage.supervisor.err[said:], LONG_SECONDS)
        wait_until(lambda: trouble.told in stage.beat().status, LONG_SECONDS)


def _assert_served(stage: Stage, trouble: Trouble) -> None:
    """Whatever else is asked meanwhile is answered, too."""
    assert stage.api.request("GET", "/livez").status == 200
    assert stage.api.request("GET", "/readyz").status == (503 if trouble.refusal else 200) or not trouble.reads
    assert stage.api.request("GET", "/jobs").status in ((200,) if trouble.reads else (200, 503))


def _assert_right(answer: Answer) -> None:
    assert answer.seconds < PROMISE_SECONDS
    assert answer.reply.status in (202, 503)
    if answer.reply.status == 503:
        assert answer.reply.headers["Content-Type"] == "application/problem+json"
        assert int(answer.reply.headers["Retry-After"]) >= 1


def _has_run_one(stage: Stage) -> bool:
    job_id = stage.post("echo", "after").accepted_id
    if job_id is not None:
        wait_until(lambda: stage.has_succeeded(job_id))
    return job_id is not None


def _assert_well(stage: Stage) -> None:
    """Nobody has ended, or met what nobody foresaw; nobody complains any more."""
    assert stage.supervisor.process.poll() is None
    assert "Traceback" not in stage.supervisor.err
    assert not any("unexpected" in line or "Traceback" in line for line in stage.api.log)
    wait_until(lambda: stage.beat().status == "serving")
    wait_until(lambda: stage.api.request("GET", "/readyz").status == 200)
