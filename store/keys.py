"""Every key in Redis: its name, its type, what it holds. No key name is made anywhere else.

All keys of a partition share one hash tag, so that every script works on a Redis Cluster.
Scripts that reach keys of jobs and queues by name get ``base`` and append as the properties here do.
"""

from typing import Final

#: Stands for "all queues" in `wake` and `paused`; no queue can bear this name (limits.NAME).
ALL_QUEUES: Final = "*"


class Keys:
    """The keys of one partition."""

    def __init__(self, prefix: str = "jobworker", partition: int = 0) -> None:
        self.base = f"{prefix}:{{{partition}}}:"
        #: hash: `schema`, `sequence`, `last_beat` (ms), `reap_after` (ms).
        self.meta = f"{self.base}meta"
        #: zset, state index of scheduled jobs: id, scored by the ms it is due.
        self.scheduled = f"{self.base}scheduled"
        #: zset, secondary: id of a job not started yet, scored by the ms at which it expires.
        self.expiring = f"{self.base}expiring"
        #: zset, secondary: id of every job, scored by the ms it was created.
        self.created = f"{self.base}created"
        #: zset: `<name>:<epoch>`, scored by the ms its lease ends (0: taken over, to be reaped).
        self.supervisors = f"{self.base}supervisors"
        #: hash: type -> `<ms last seen> <JSON of HandlerEntry>`.
        self.handlers = f"{self.base}handlers"
        #: hash: `*` or queue -> `<ms since> <JSON of who and why>`.
        self.paused = f"{self.base}paused"
        #: set: names of the queues that ever held a job.
        self.queues = f"{self.base}queues"
        #: set: names of the types that have a job.
        self.types = f"{self.base}types"
        #: set: tags that a job has.
        self.tags = f"{self.base}tags"
        #: stream: `id` of each job that has ended while somebody waited for that; a TTL.
        self.ends = f"{self.base}ends"
        #: stream: what happens while somebody listens; a TTL.
        self.events = f"{self.base}events"
        #: A string: somebody has listened to events lately; a TTL.
        self.events_wanted = f"{self.base}events_wanted"
        #: hash: `<type>:<figure>` -> sum over all attempts that ever ended; it only grows.
        self.stats_total = f"{self.base}stats_total"
        #: hash: id -> JSON of ApiKey; while it is there requests need a key.
        self.api_keys = f"{self.base}api_keys"
        #: stream: what operators and administrators have done, each `who`, `what`, …
        self.audit = f"{self.base}audit"
        #: zset: name of a schedule, scored by the ms it is due next; 2^53 - 1: it is paused, or never due again.
        self.schedules = f"{self.base}schedules"

    def schedule(self, name: str) -> str:
        """hash: a schedule; timing, template and payload are opaque to scripts, times in ms."""
        return f"{self.base}schedule:{name}"

    def job(self, job_id: str) -> str:
        """hash: the job; payload, result, error and attempts are opaque bytes, times in ms."""
        return f"{self.base}job:{job_id}"

    def log(self, job_id: str) -> str:
        """hash: the job's output, the first and the last of it: number of a chunk -> its times and bytes; counters."""
        return f"{self.base}job:{job_id}:log"

    def idempotency(self, digest: str) -> str:
        """A string: `<fingerprint of the body> <Acceptance>` of the first request with this Idempotency-Key; a TTL."""
        return f"{self.base}idempotency:{digest}"

    def unique(self, digest: str) -> str:
        """A string: the id of the job that waits or runs with this unique key."""
        return f"{self.base}unique:{digest}"

    def ready(self, queue: str) -> str:
        """zset, state index of pending jobs: id, scored by (10 - priority) * 2**44 + sequence."""
        return f"{self.base}ready:{queue}"

    def running(self, name: str, epoch: int) -> str:
        """hash, state index of the jobs that one incarnation holds: id -> token."""
        return f"{self.base}running:{name}:{epoch}"

    def cancels(self, name: str, epoch: int) -> str:
        """hash: id -> `<token> <JSON of who and why>` of running jobs that a client wants cancelled."""
        return f"{self.base}cancels:{name}:{epoch}"

    def requests(self, name: str, epoch: int) -> str:
        """hash: `stack:<id>`, `scale`, `drain` -> `<µs asked> <what>`, until the supervisor says that it is done."""
        return f"{self.base}requests:{name}:{epoch}"

    def ended(self, status: str) -> str:
        """zset, state index of ended jobs: id, scored by the ms it ended; trimmed by age and count."""
        return f"{self.base}ended:{status}"

    def by_type(self, name: str) -> str:
        """zset, secondary: id of every job of a type, scored by the ms it was created."""
        return f"{self.base}by_type:{name}"

    def by_tag(self, tag: str) -> str:
        """zset, secondary: id of every job with a tag, scored by the ms it was created."""
        return f"{self.base}by_tag:{tag}"

    def supervisor(self, name: str) -> str:
        """hash: epoch, lock_id, lease_end, held_since, proven, host, pid, …, roster, last_call, last_answer."""
        return f"{self.base}supervisor:{name}"

    def stats_minute(self, minute: int) -> str:
        """hash: `<type>:<figure>` -> sum over the attempts that ended in this minute since 1970; `:types`: how many."""
        return f"{self.base}stats_minute:{minute}"

    def stats_hour(self, hour: int) -> str:
        """hash: the same, of this hour since 1970."""
        return f"{self.base}stats_hour:{hour}"

    def inbox(self, name: str) -> str:
        """list: hints for one supervisor, for example that a running job was cancelled."""
        return f"{self.base}inbox:{name}"

    def wake(self, queue: str) -> str:
        """list: at most one token, the hint that `queue` has something to claim."""
        return f"{self.base}wake:{queue}"
