"""Errors of the store, split by who must act; the docstring is the default message."""

from collections.abc import Sequence

from jobworker.store.states import ENDED


class StoreError(Exception):
    """The job store could not do what was asked."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.__doc__)


class StoreUnavailable(StoreError):
    """Redis is not reachable."""


class OutcomeUnknown(StoreUnavailable):
    """Redis was sent a call and did not answer: it may have done what was asked."""


class WritesRefused(StoreUnavailable):
    """Redis takes no writes at the moment; what only reads is answered."""


class StoreFull(WritesRefused):
    """Redis is out of memory and refuses writes."""


class StoreMisconfigured(StoreError):
    """Redis refuses us: wrong password, missing permission, or not a server we can use."""


class NotReplicated(StoreError):
    """A job is stored and will run, but too few replicas have confirmed it."""


class InvalidJob(StoreError):
    """The store does not accept this job."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


class KeyReused(StoreError):
    """This Idempotency-Key has come before, with another body; give another request another key."""


class NotUnique(StoreError):
    """Another job holds the unique key."""

    def __init__(self, holder: str, state: str) -> None:
        super().__init__(f"job {holder} has this unique_key and has not ended yet: it is {state}")
        self.holder = holder


class BadCursor(StoreError):
    """The cursor is none that was given; leave it out to begin anew."""


class JobNotFound(StoreError):
    """No job has this id."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"no job has the id {job_id}; it never existed, or its retention has ended")
        self.job_id = job_id


class ScheduleDamaged(StoreError):
    """What Redis keeps of a schedule cannot be read."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(
            f"records in Redis of schedules that are due are damaged: {', '.join(names)}; PUT writes one anew,"
            " DELETE removes it"
        )


class RecordDamaged(StoreError):
    """What Redis keeps of the job cannot be read."""

    def __init__(self, job_id: str) -> None:
        super().__init__(
            f"the record of job {job_id} in Redis is damaged: its status is none; `jobworker doctor` looks for such"
            " records, DELETE forgets this one"
        )
        self.job_id = job_id


class ScheduleNotFound(StoreError):
    """No schedule has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no schedule {name[:128]}; GET /schedules lists those that are")
        self.name = name


class InvalidSchedule(StoreError):
    """The store does not accept this schedule."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


class QueueNotFound(StoreError):
    """No queue has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no queue {name[:128]}: no job was ever put into it")
        self.name = name


class WrongState(StoreError):
    """The job's state forbids this."""

    def __init__(self, job_id: str, state: str) -> None:
        when = "has already ended" if state in ENDED else "has not ended yet"
        super().__init__(f"job {job_id} {when}: it is {state}")
        self.job_id = job_id
        self.state = state


class NotRunning(StoreError):
    """The job does not run."""

    def __init__(self, job_id: str, state: str) -> None:
        super().__init__(f"job {job_id} does not run: it is {state}")
        self.job_id = job_id
        self.state = state


class SupervisorNotFound(StoreError):
    """No living supervisor has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no supervisor {name[:128]} is alive; GET /supervisors lists those that are")
        self.name = name


class ApiKeyNotFound(StoreError):
    """No API key has this id."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"no API key has the id {key_id[:128]}; `jobworker key list` shows those there are")
        self.key_id = key_id


class ApiKeysValid(StoreError):
    """There are API keys that are still valid."""

    def __init__(self, count: int) -> None:
        super().__init__(f"{count} of the API keys are still valid; revoke them first")
        self.count = count


class TooManyApiKeys(StoreError):
    """There are as many valid API keys as there may be."""

    def __init__(self, most: int) -> None:
        super().__init__(f"there are {most} valid API keys already; revoke some")
        self.most = most


class NameInUse(StoreError):
    """Another living supervisor has this name."""

    def __init__(self, name: str, pid: str, host: str, lease_left_ms: int) -> None:
        super().__init__(f"name {name} is in use by pid {pid} on host {host}; use --name")
        self.name = name
        self.lease_left_ms = lease_left_ms


class EpochLost(StoreError):
    """This incarnation of a supervisor may no longer write."""


class Reaped(EpochLost):
    """Our lease ended and another supervisor took our jobs."""


class Superseded(EpochLost):
    """Another process has registered under our name."""


class BadSetting(StoreError):
    """A setting has a value that is not allowed, or there is no such setting."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")
        self.name = name
