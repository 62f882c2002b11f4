"""How each kind of fault is done, and undone."""

import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

import psutil
from msgspec import Struct

from jobworker.cli.chaos.jumpy import set_clock
from jobworker.cli.chaos.ledger import Ledger, Run, boottime_ms
from jobworker.cli.chaos.schedule import KINDS, Fault
from jobworker.cli.chaos.stage import Stage

#: The clock of a process jumps at most so far, ahead or behind.
FARTHEST_JUMP_SECONDS: Final = 86_400.0
#: At most so many answers arrive before the one that is lost.
MOST_ANSWERS_BEFORE: Final = 10

Undo = Callable[[], object]


class Hit(Struct, frozen=True):
    """What a fault has hit."""

    #: The attempts that were under way there and cannot end any more.
    runs: list[Run] = []
    undo: Undo | None = None
    #: Of the supervisor that was hit, where that matters.
    pid: int = 0
    #: When, where it matters that looking for a victim takes time, too.
    at_ms: float | None = None


class Struck(Struct, frozen=True):
    """A fault that has happened, by CLOCK_BOOTTIME."""

    kind: str
    target: str
    at_ms: float
    until_ms: float
    runs: list[Run]
    pid: int = 0


class Scene:
    """What nemeses see: the parts, and what is under way."""

    def __init__(self, stage: Stage, ledger: Ledger) -> None:
        self.stage = stage
        self.ledger = ledger

    def busy(self, supervisor: str) -> list[Run]:
        """Return what a supervisor's workers are at."""
        self.ledger.read()
        process = self.stage.process(supervisor)
        runs = self.ledger.under_way.values()
        mine = [run for run in runs if process is not None and run.supervisor_pid == process.pid]
        return [run for run in mine if psutil.pid_exists(run.worker_pid)]


def kill_worker(scene: Scene, fault: Fault) -> Hit | None:
    """Kill a worker that runs a job."""
    runs = scene.busy(fault.target)
    if not runs:
        return None
    run = _picked(runs, fault)
    at_ms = boottime_ms()
    return Hit([run], at_ms=at_ms) if _signal([run.worker_pid], signal.SIGKILL) else None


def freeze_worker(scene: Scene, fault: Fault) -> Hit | None:
    """Stop a worker that runs a job; it goes on later, unless its deadline comes first."""
    runs = scene.busy(fault.target)
    pid = _picked(runs, fault).worker_pid if runs else 0
    return Hit(undo=partial(_signal, [pid], signal.SIGCONT)) if pid and _signal([pid], signal.SIGSTOP) else None


def kill_part(scene: Scene, fault: Fault) -> Hit | None:
    """Kill a supervisor, or the server; without it there is nothing to kill."""
    process = scene.stage.process(fault.target)
    if process is None:
        return None
    runs = scene.busy(fault.target)
    scene.stage.hold(fault.target)
    at_ms = boottime_ms()
    process.kill()
    return Hit(runs, partial(scene.stage.release, fault.target), at_ms=at_ms)


def kill_host(scene: Scene, fault: Fault) -> Hit | None:
    """Kill a supervisor and all below it."""
    process = scene.stage.process(fault.target)
    below = process.children(recursive=True) if process is not None else []
    hit = kill_part(scene, fault)
    _signal([child.pid for child in below], signal.SIGKILL)
    return hit


def freeze_supervisor(scene: Scene, fault: Fault) -> Hit | None:
    """Stop a supervisor; its workers go on."""
    return _freeze(scene.stage.process(fault.target))


def drain_supervisor(scene: Scene, fault: Fault) -> Hit | None:
    """Ask a supervisor to end, as at a restart: its jobs may end first."""
    process = scene.stage.process(fault.target)
    if process is None or not _signal([process.pid], signal.SIGTERM):
        return None
    return Hit(pid=process.pid)


def reload_supervisor(scene: Scene, fault: Fault) -> Hit | None:
    """Have a supervisor load its handlers anew, into new workers."""
    process = scene.stage.process(fault.target)
    return Hit() if process is not None and _signal([process.pid], signal.SIGHUP) else None


def kill_api(scene: Scene, fault: Fault) -> Hit | None:
    """Kill one of the processes of the API."""
    victim = _api_process(scene, fault)
    return Hit() if victim and _signal([victim.pid], signal.SIGKILL) else None


def freeze_api(scene: Scene, fault: Fault) -> Hit | None:
    """Stop one of the processes of the API."""
    return _freeze(_api_process(scene, fault))


def cut_off(scene: Scene, fault: Fault) -> Hit | None:
    """Deliver nothing between a part and Redis, and then all at once."""
    scene.stage.network.tell(fault.target, "black_hole")
    return Hit(undo=partial(scene.stage.network.tell, fault.target, "pass_on"))


def lose_reply(scene: Scene, fault: Fault) -> Hit | None:
    """Let Redis do something, and its answer get lost."""
    scene.stage.network.tell(fault.target, "lose_next_reply", after=int(fault.pick * MOST_ANSWERS_BEFORE))
    return Hit()


def kill_clients(scene: Scene, _fault: Fault) -> Hit | None:
    """Have Redis end all its connections."""
    return _tell_server(scene, "CLIENT KILL TYPE normal SKIPME yes")


def pause_clients(scene: Scene, fault: Fault) -> Hit | None:
    """Have Redis let all wait."""
    return _tell_server(scene, f"CLIENT PAUSE {round(1000 * fault.lasts_seconds)} ALL")


def jump_clock(scene: Scene, fault: Fault) -> Hit | None:
    """Let the wall clock of a process jump, ahead or back."""
    set_clock(scene.stage.clock(fault.target), (2 * fault.pick - 1) * FARTHEST_JUMP_SECONDS)
    return Hit()


NEMESES: Final[dict[str, Callable[[Scene, Fault], Hit | None]]] = {
    "kill_worker": kill_worker,
    "freeze_worker": freeze_worker,
    "kill_supervisor": kill_part,
    "kill_host": kill_host,
    "freeze_supervisor": freeze_supervisor,
    "drain_supervisor": drain_supervisor,
    "reload_supervisor": reload_supervisor,
    "cut_off": cut_off,
    "lose_reply": lose_reply,
    "kill_clients": kill_clients,
    "pause_clients": pause_clients,
    "kill_server": kill_part,
    "kill_api": kill_api,
    "freeze_api": freeze_api,
    "jump_clock": jump_clock,
}
#: These end what runs there.
KILLS: Final = frozenset({"kill_worker", "kill_supervisor", "kill_host"})
#: These take the time of nobody but their victim.
HARMLESS: Final = frozenset({"kill_worker", "freeze_worker", "jump_clock", "kill_api", "freeze_api"})
DRAIN: Final = "drain_supervisor"
_AFTERMATHS: Final = {kind.name: kind.aftermath_seconds for kind in KINDS}


def strike(scene: Scene, fault: Fault) -> tuple[Struck, Undo | None] | None:
    """Do it; return what has happened and what undoes it, or None: there is nobody to hit just now."""
    began_ms = boottime_ms()
    hit = NEMESES[fault.kind](scene, fault)
    if hit is None:
        return None
    at_ms = began_ms if hit.at_ms is None else hit.at_ms
    until_ms = at_ms + 1000 * (fault.lasts_seconds + _AFTERMATHS[fault.kind])
    return Struck(fault.kind, fault.target, at_ms, until_ms, hit.runs, hit.pid), hit.undo


def _picked(runs: Sequence[Run], fault: Fault) -> Run:
    return runs[int(fault.pick * len(runs))]


def _signal(pids: Sequence[int], number: signal.Signals) -> bool:
    """Send it to those that live; return whether any did."""
    reached = False
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            psutil.Process(pid).send_signal(number)
            reached = True
    return reached


def _freeze(process: psutil.Process | None) -> Hit | None:
    if process is None or not _signal([process.pid], signal.SIGSTOP):
        return None
    return Hit(undo=partial(_signal, [process.pid], signal.SIGCONT))


def _api_process(scene: Scene, fault: Fault) -> psutil.Process | None:
    parent = scene.stage.process(fault.target)
    if parent is None:
        return None
    with suppress(psutil.NoSuchProcess):
        every = [parent, *parent.children()]
        return every[int(fault.pick * len(every))]
    return None


def _tell_server(scene: Scene, command: str) -> Hit | None:
    try:
        answer = scene.stage.server.ask(command)
    except OSError:
        return None
    return None if answer.startswith("-") else Hit()
