"""Tracebacks that begin in the author's code, not in the machinery that called it."""

from traceback import TracebackException
from types import FrameType, TracebackType

_MACHINERY = ("jobworker.", "importlib", "asyncio.")
_AUTHORS = "jobworker.handlers.builtin."


def user_traceback(error: BaseException) -> str:
    """Return the traceback as text, without the frames that led to the author's code and those of imports."""
    report = TracebackException(type(error), error, _users_part(error.__traceback__), compact=True)
    _drop_import_frames(report)
    return "".join(report.format())


def has_user_frames(error: BaseException) -> bool:
    """Tell whether the error passed through the author's code at all."""
    return _users_part(error.__traceback__) is not None


def describe(error: BaseException) -> str:
    """Return `Type: message` on one line."""
    try:
        message = " ".join(str(error).split())
    except Exception:  # the author's __str__ may raise anything
        message = "<its message cannot be read>"
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def _users_part(traceback: TracebackType | None) -> TracebackType | None:
    while traceback is not None and _is_machinery(traceback.tb_frame):
        traceback = traceback.tb_next
    return traceback


def _is_machinery(frame: FrameType) -> bool:
    module = str(frame.f_globals.get("__name__", ""))
    return module.startswith(_MACHINERY) and not f"{module}.".startswith(_AUTHORS)


def _drop_import_frames(report: TracebackException) -> None:
    """Drop them in the causes too: an import of an import is told by the lines that say `import`."""
    pending: list[TracebackException | None] = [report]
    while pending:
        if (current := pending.pop()) is not None:
            current.stack[:] = [frame for frame in current.stack if not frame.filename.startswith("<frozen importlib")]
            pending += [current.__cause__, current.__context__]
