"""What the scripts in store/lua do, as far as the protocol goes. `rules` holds the names of those that are kept."""

from tests.model.protocol.world import LEASE, VOIDED, Job, Message, Violation, World

Rules = frozenset[str]
ENDED = ("succeeded", "cancelled")


def refusal(world: World, rules: Rules, name: int, epoch: int) -> str | None:
    """exchange, beat, reconcile and leave begin with it."""
    record = world.records[name]
    if "epoch" not in rules:
        return None
    if record.lease == VOIDED:
        return "reaped"
    if record.epoch == epoch:
        return None
    return "superseded" if record.lease > 0 else "reaped"


def register(world: World, number: int, *, proven: bool) -> World:
    process = world.processes[number]
    epoch = max(world.records[process.name].epoch + 1, world.clock + 1)
    world = world.record(process.name, epoch=epoch, lease=LEASE, last_call=0, answer=(), held=0, proven=proven)
    fresh = {"life": "up", "epoch": epoch, "call": 0, "agreed": False, "open": None, "fence": 0}
    return world._replace(clock=epoch).process(number, **fresh)


def is_held(job: Job, name: int, epoch: int, token: int) -> bool:
    return (job.status, job.owner, job.epoch, job.token) == ("running", name, epoch, token)


def settle(job: Job, outcome: str, rules: Rules) -> Job:
    """`free` spends nothing, `crashed` a crash."""
    job = job._replace(crashes=job.crashes + (outcome == "crashed"))
    if outcome == "succeeded":
        return job._replace(status="succeeded")
    if outcome == "cancelled" or (job.flagged and "cancel is kept" in rules):
        return job._replace(status="cancelled")
    return job._replace(status="pending")


def exchange(world: World, rules: Rules, message: Message) -> tuple[World, object]:
    """Return also the answer: a word of refusal, or what was claimed."""
    name = world.processes[message.process].name
    record = world.records[name]
    if refused := refusal(world, rules, name, message.epoch):
        return world, refused
    if message.call < record.last_call and "calls are numbered" in rules:
        return world, "old"
    if message.call == record.last_call:
        held = (one for one in record.answer if is_held(world.jobs[one[0]], name, message.epoch, one[1]))
        return world, tuple(held)
    for number, token, outcome in message.settles:
        if is_held(world.jobs[number], name, message.epoch, token):
            world = world.job(number, settle(world.jobs[number], outcome, rules))
    claims: tuple[tuple[int, int], ...] = ()
    if message.wants and record.lease > 0:
        world, claims = claim(world, name, message.epoch)
    return world.record(name, last_call=message.call, answer=claims), claims


def claim(world: World, name: int, epoch: int) -> tuple[World, tuple[tuple[int, int], ...]]:
    for number, job in enumerate(world.jobs):
        if job.status == "pending":
            if job.flagged:
                raise Violation(f"job {number} is claimed although its cancel was accepted")
            token = world.clock + 1
            taken = job._replace(status="running", owner=name, epoch=epoch, token=token)
            return world._replace(clock=token).job(number, taken), ((number, token),)
    return world, ()


def reconcile(world: World, number: int, rules: Rules) -> World:
    """It is a call: a late copy of the open one finds `old`."""
    process = world.processes[number]
    call = process.call + 1
    for place, job in enumerate(world.jobs):
        ours = (job.status, job.owner, job.epoch) == ("running", process.name, process.epoch)
        if ours and (place, job.token) not in process.held:
            world = world.job(place, settle(job, "free", rules))
    return world.record(process.name, last_call=call, answer=()).process(number, call=call)


def leave(world: World, number: int, rules: Rules) -> World:
    process = world.processes[number]
    for place, job in enumerate(world.jobs):
        if (job.status, job.owner, job.epoch) == ("running", process.name, process.epoch):
            world = world.job(place, settle(job, "free", rules))
    return world.record(process.name, lease=VOIDED)


def beat(world: World, number: int) -> World:
    """Renew a lease that is not refused."""
    name = world.processes[number].name
    record = world.records[name]
    held = 0 if record.lease <= 0 else min(record.held + 1, LEASE)
    truce = LEASE if world.quiet >= 2 else world.truce
    return world.record(name, lease=LEASE, held=held)._replace(quiet=0, truce=truce)


def reapable(world: World, number: int, rules: Rules) -> list[int]:
    """Return the jobs that this one may put back because their supervisor is dead."""
    process = world.processes[number]
    mine = world.records[process.name]
    has_term = (mine.held >= LEASE and not world.truce) or "full term" not in rules
    found = []
    for place, job in enumerate(world.jobs):
        theirs = world.records[job.owner]
        is_past = job.epoch != theirs.epoch
        own_past = is_past and job.owner == process.name and mine.proven
        is_dead = is_past or theirs.lease in (0, VOIDED)
        if job.status == "running" and is_dead and (has_term or own_past):
            found.append(place)
    return found


def reap(world: World, places: list[int], rules: Rules) -> World:
    for place in places:
        job = world.jobs[place]
        if world.records[job.owner].epoch == job.epoch and "reaping voids" in rules:
            world = world.record(job.owner, lease=VOIDED)
        world = world.job(place, settle(job, "crashed", rules))
    return world
