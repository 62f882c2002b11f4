"""Errors of the supervisor; each message is the one sentence that the user sees."""


class SupervisorError(Exception):
    """The supervisor cannot go on."""


class WorkerStartFailed(SupervisorError):
    """The first worker did not become ready."""


class LockHeld(SupervisorError):
    """Another process on this host holds the name."""
