"""A Redis that refuses our user: who has just been started is told, who has worked there waits until it is mended."""

from typing import Any

import pytest

from jobworker.store.states import JobState
from tests.support.stage import PASSWORD, PERMISSIONS, USER
from tests.support.supervisor_process import Workplace

pytestmark = pytest.mark.real

#: All keys but `supervisors`, which `register` and `beat` need and `exchange` does not.
ALL_BUT_ONE = ["resetkeys", *(f"~jobworker:{{0}}:{rest}" for rest in ("[^s]*", "s[^u]*", "supervisor:*"))]


def url(place: Workplace, password: str = PASSWORD) -> str:
    return f"redis://{USER}:{password}@127.0.0.1:{place.server.port}/0"


def permit(place: Workplace, *rules: str) -> None:
    client: Any = place.client
    client.execute_command("ACL", "SETUSER", USER, *rules)


@pytest.fixture
def own_place(own_place: Workplace) -> Workplace:
    permit(own_place, "on", f">{PASSWORD}", *PERMISSIONS.split())
    return own_place


def test_a_wrong_password_at_the_start_is_one_sentence_and_exit_code_1(own_place: Workplace) -> None:
    command = own_place.start("--redis", url(own_place, "wrong-secret"))
    assert command.wait() == 1
    assert command.err.splitlines()[-1].startswith("jobworker: Redis refuses the user or the password of the URL")
    assert "wrong-secret" not in command.err


def test_a_missing_permission_at_the_start_is_one_sentence_and_exit_code_1(own_place: Workplace) -> None:
    permit(own_place, *ALL_BUT_ONE)
    command = own_place.start("--redis", url(own_place))
    assert command.wait() == 1
    assert command.err.splitlines()[-1].startswith("jobworker: Redis's ACL denies a command that jobworker needs")


def test_who_has_worked_here_waits_for_its_permission_to_begin_anew(own_place: Workplace) -> None:
    place = own_place
    command = place.start("--redis", url(place))
    command.wait_for("redis and we agree")
    permit(place, *ALL_BUT_ONE)
    place.client.flushall()
    command.wait_for("beginning anew")
    command.wait_for("cannot register; trying again until it works")
    permit(place, *PERMISSIONS.split())
    command.wait_for("ready", times=2)
    assert place.run("pid").status is JobState.SUCCEEDED
    assert "Traceback" not in command.err
