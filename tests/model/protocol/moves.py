"""What can happen next: supervisors, workers, the network, clients, time, and faults while there are any left."""

from collections.abc import Iterator
from typing import NamedTuple

from tests.model.protocol.scripts import (
    Rules,
    beat,
    exchange,
    leave,
    reap,
    reapable,
    reconcile,
    refusal,
    register,
)
from tests.model.protocol.world import FENCE, Message, Process, Violation, World, put

NOTHING = {"worker": None, "results": (), "open": None, "agreed": False, "fence": -1}


class Move(NamedTuple):
    told: str
    world: World
    is_fault: bool = False


def moves(world: World, rules: Rules) -> Iterator[Move]:
    for number, process in enumerate(world.processes):
        name = f"{'AB'[process.name]}{number}"
        if process.life == "new":
            yield from _start(world, rules, number, name)
        if process.life == "up":
            yield from _work(world, rules, number, name)
            yield from _faults(world, number, name)
            yield from _separations(world, number, name)
        if process.awake and not process.cut_off:
            yield from _talk(world, rules, number, name)
        if process.awake:
            yield from _decide(world, rules, number, name)
    for message in dict.fromkeys(world.net):
        yield from _deliver(world, rules, message)
    yield from _clients(world)
    yield from _time(world, rules)


def _start(world: World, rules: Rules, number: int, name: str) -> Iterator[Move]:
    process = world.processes[number]
    namesakes = [one for place, one in enumerate(world.processes) if one.name == process.name and place != number]
    is_locked = any(one.life == "up" for one in namesakes)
    if is_locked and "lock" in rules and world.records[process.name].lease > 0:
        return
    yield Move(f"{name} registers", register(world, number, proven=not is_locked or "lock" not in rules))


def _work(world: World, rules: Rules, number: int, name: str) -> Iterator[Move]:
    """The worker goes on while its supervisor is stopped."""
    process = world.processes[number]
    if process.worker is None:
        return
    stage, job, token = process.worker
    if stage == "sent" and (process.fence > 0 or "not started" not in rules):
        if process.fence <= 0:
            raise Violation(f"{name} begins job {job} after the deadline")
        yield Move(f"{name} begins job {job}", world.process(number, worker=("runs", job, token)))
    elif stage == "sent" and process.awake:
        results = (*process.results, (job, token, "free"))
        yield Move(f"{name} reports job {job} not started", world.process(number, worker=None, results=results))
    if stage == "runs":
        yield Move(f"{name} finishes job {job}", world.process(number, worker=("done", job, token)))
    if stage == "done" and process.awake:
        results = (*process.results, (job, token, "succeeded"))
        yield Move(f"{name} reads the report of job {job}", world.process(number, worker=None, results=results))


def _faults(world: World, number: int, name: str) -> Iterator[Move]:
    process = world.processes[number]
    if world.may("crash"):
        gone = world.spend("crash").process(number, **NOTHING, life="gone", frozen=False)
        yield Move(f"{name} is killed, its worker with it", gone, is_fault=True)
    if process.frozen:
        yield Move(f"{name} goes on", world.process(number, frozen=False))
    elif world.may("freeze"):
        yield Move(f"{name} is stopped", world.spend("freeze").process(number, frozen=True), is_fault=True)
    if world.may("drain") and not process.draining:
        yield Move(f"{name} drains", world.spend("drain").process(number, draining=True), is_fault=True)


def _separations(world: World, number: int, name: str) -> Iterator[Move]:
    process = world.processes[number]
    if process.cut_off and world.is_outage:
        back = tuple(one._replace(cut_off=False) for one in world.processes)
        yield Move("Redis is back for all", world._replace(processes=back))
    elif process.cut_off:
        yield Move(f"{name} reaches Redis again", world.process(number, cut_off=False))
    elif world.may("cut off"):
        yield Move(f"{name} is cut off", world.spend("cut off").process(number, cut_off=True), is_fault=True)
    if world.may("outage") and all(one.life == "up" for one in world.processes):
        away = tuple(one._replace(cut_off=True) for one in world.processes)
        yield Move("nobody reaches Redis", world.spend("outage")._replace(processes=away), is_fault=True)


def _talk(world: World, rules: Rules, number: int, name: str) -> Iterator[Move]:
    """Calls that this model takes as answered at once; those of which the answer is on its way are in `_deliver`."""
    process = world.processes[number]
    if refused := refusal(world, rules, process.name, process.epoch):
        life = "gone" if refused == "superseded" or process.draining else "new"
        yield Move(f"{name} is {refused}: it kills and drops all", world.process(number, **NOTHING, life=life))
        return
    if not process.agreed:
        agreed = _renewed(reconcile(world, number, rules), number)
        mine = {(place, job.token) for place, job in enumerate(agreed.jobs) if job.status == "running"}
        kept = tuple(result for result in process.results if result[:2] in mine)
        worker = process.worker if process.worker and process.worker[1:] in mine else None
        yield Move(f"{name} reconciles", agreed.process(number, agreed=True, open=None, results=kept, worker=worker))
        if world.may("reply lost"):
            lost = reconcile(world.spend("reply lost"), number, rules)
            yield Move(f"{name} reconciles, and does not hear the answer", lost, is_fault=True)
    renewed = _renewed(world, number)
    if places := reapable(renewed, number, rules):
        yield Move(f"{name} beats and reaps {places}", reap(renewed, places, rules))
    yield from _hear_cancels(world, number, name)
    wants = process.worker is None and process.fence > 0 and not process.draining
    if (
        process.agreed
        and process.open is None
        and (process.results or (wants and any(job.status == "pending" for job in world.jobs)))
    ):
        call = process.call + 1
        message = Message(number, process.epoch, call, process.results, wants)
        sent = world.send(message).process(number, call=call, open=process.results)
        yield Move(f"{name} sends call {call}: settles {list(process.results)}, wants {int(wants)}", sent)
    if process.draining and not process.results and process.worker is None and process.open is None:
        left = leave(world, number, rules) if "leave" in rules else world
        yield Move(f"{name} leaves", left.process(number, **NOTHING, life="gone"))


def _hear_cancels(world: World, number: int, name: str) -> Iterator[Move]:
    process = world.processes[number]
    if process.worker and process.worker[0] != "done":
        _, job, token = process.worker
        if world.jobs[job].flagged and world.jobs[job].token == token and world.jobs[job].status == "running":
            results = (*process.results, (job, token, "cancelled"))
            yield Move(f"{name} kills job {job}: cancelled", world.process(number, worker=None, results=results))


def _decide(world: World, rules: Rules, number: int, name: str) -> Iterator[Move]:
    """What a supervisor does by itself."""
    process = world.processes[number]
    if process.open is not None:
        waits = [
            one for one in world.net if (one.process, one.epoch, one.call) == (number, process.epoch, process.call)
        ]
        if not waits or world.may("delay"):
            after = (world.spend("delay") if waits else world).process(
                number, open=None, agreed="reconcile" not in rules
            )
            yield Move(f"{name} gives call {process.call} up", after, is_fault=bool(waits))
    if process.fence == 0 and process.agreed:
        # Who was alone kills nothing: should another start just now, nothing is promised.
        fenced = world.process(number, fence=-1, late=process.late or process.alone)
        if process.worker and process.worker[0] == "runs" and not process.alone and "fence" in rules:
            results = (*process.results, (*process.worker[1:], "free"))
            fenced = fenced.process(number, worker=None, results=results)
        yield Move(f"{name} meets its deadline", fenced)


def _deliver(world: World, rules: Rules, message: Message) -> Iterator[Move]:
    process, rest = world.processes[message.process], world.receive(message)
    name = f"{'AB'[process.name]}{message.process}"
    waits = process.life == "up" and process.open is not None and (process.epoch, process.call) == message[1:3]
    if message.reply is None:
        after, reply = exchange(rest, rules, message)
        told = f"Redis applies call {message.call} of {name}: {reply}"
        if not waits:
            yield Move(f"{told}; nobody waits for it", after)
            return
        yield Move(told, after.send(message._replace(settles=(), wants=False, reply=reply)))
        if world.may("reply lost"):
            yield Move(f"{told}; the answer is lost", after.spend("reply lost"), is_fault=True)
    elif not waits:
        yield Move(f"the answer to call {message.call} of {name} comes too late", rest)
    elif process.awake and not (process.fence == 0 and process.agreed):
        yield Move(f"{name} hears the answer to call {message.call}: {message.reply}", _accept(rest, message))


def _accept(world: World, message: Message) -> World:
    number, process = message.process, world.processes[message.process]
    if message.reply == "old":
        return world.process(number, open=None, agreed=False)
    if isinstance(message.reply, str):
        life = "gone" if message.reply == "superseded" or process.draining else "new"
        return world.process(number, **NOTHING, life=life)
    results = tuple(one for one in process.results if one not in (process.open or ()))
    worker = process.worker
    for job, token in message.reply:
        if process.fence > 0 and not process.draining and worker is None:
            worker = ("sent", job, token)
        else:
            results = (*results, (job, token, "free"))
    return world.process(number, open=None, results=results, worker=worker)


def _clients(world: World) -> Iterator[Move]:
    for number, job in enumerate(world.jobs if world.may("cancel") else ()):
        if job.status in ("pending", "running") and not job.flagged:
            status = "cancelled" if job.status == "pending" else "running"
            cancelled = world.spend("cancel").job(number, job._replace(status=status, flagged=True))
            yield Move(f"a client cancels job {number}", cancelled, is_fault=True)


def _renewed(world: World, number: int) -> World:
    world = beat(world, number)
    mine = world.processes[number].name
    others = any(record.lease > 0 for name, record in enumerate(world.records) if name != mine)
    return world.process(number, fence=FENCE, alone=not others)


def _time(world: World, rules: Rules) -> Iterator[Move]:
    """Whoever is awake has met its deadline before the next tick, and whoever reaches Redis has beaten."""
    for one in world.processes:
        if one.awake and (one.fence == 0 if one.agreed else not one.cut_off):
            return
    records = tuple(one._replace(lease=max(one.lease - 1, 0)) if one.lease > 0 else one for one in world.records)
    later = world._replace(records=records, quiet=min(world.quiet + 1, 2), truce=max(world.truce - 1, 0))
    for number, process in enumerate(world.processes):
        healthy = process.awake and not process.cut_off and process.agreed
        if healthy and not refusal(world, rules, process.name, process.epoch):
            later = _renewed(later, number)
        elif process.life == "up":
            later = later._replace(processes=put(later.processes, number, _older(process)))
    if later != world:
        yield Move("time passes", later)


def _older(process: Process) -> Process:
    late = process.late or (process.frozen and process.fence <= 0)
    return process._replace(fence=max(process.fence - 1, 0) if process.fence > 0 else process.fence, late=late)
