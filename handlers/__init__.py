"""What the author of a job sees: `@handler`, the `Job`, and how to ask for a retry or a failure."""

from jobworker.handlers.context import Job
from jobworker.handlers.decorator import handler
from jobworker.handlers.errors import HandlerError
from jobworker.handlers.outcomes import Fail, Retry, SoftTimeout

__all__ = ["Fail", "HandlerError", "Job", "Retry", "SoftTimeout", "handler"]
