"""How a job looks to a person: as plain text, and styled on a terminal."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from jobworker.cli.output import printable
from jobworker.cli.pause import describe_pause
from jobworker.cli.quantity import duration, size

#: What stands first, where the API's answer has a value for it.
_FACTS: Final = {
    "type": "type",
    "queue": "queue",
    "priority": "priority",
    "created_at": "created",
    "run_at": "due",
    "expires_at": "expires",
    "started_at": "started",
    "ended_at": "ended",
    "cancel_requested_at": "cancel asked",
    "cancelled_by": "cancelled by",
    "cancel_reason": "because",
    "supervisor": "supervisor",
    "worker": "worker",
    "reason": "reason",
}
_STYLES: Final = {
    "scheduled": "cyan",
    "pending": "yellow",
    "running": "blue",
    "succeeded": "green",
    "failed": "red",
    "cancelled": "magenta",
    "expired": "magenta",
}
_LABEL_WIDTH: Final = 14


def text(job: dict[str, Any], pause: dict[str, Any] | None = None) -> str:
    """Return the job as lines of plain text, with the pause for which it waits."""
    return "\n".join(f"{label:<{_LABEL_WIDTH}}{_indented(value)}".rstrip() for label, value in _rows(job, pause))


def styled(job: dict[str, Any], pause: dict[str, Any] | None) -> None:
    """Print the same on the terminal, with colours."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for label, value in _rows(job, pause):
        style = _STYLES.get(job["status"], "") if label == "status" else ""
        table.add_row(Text(label, style="dim"), Text(value, style=style, overflow="fold"))
    Console().print(table)


def _rows(job: dict[str, Any], pause: dict[str, Any] | None) -> Iterator[tuple[str, str]]:
    yield "job", job["id"]
    yield "status", job["status"]
    if pause is not None:
        yield "paused", printable(describe_pause(pause))
    yield from ((label, printable(str(job[name]))) for name, label in _FACTS.items() if job.get(name) is not None)
    yield from _told(job)
    yield "attempts", _budgets(job)
    for attempt in job["attempts"]:
        yield from _attempt(attempt)
    yield from _stack(job.get("stack"))
    yield from _durations(job)
    if job.get("receipt"):
        yield "cost", _receipt(job["receipt"])
    yield "payload", _json(job.get("payload"))
    if job.get("error"):
        yield "error", printable(_error(job["error"]))
    if job["status"] == "succeeded":
        yield "result", _json(job.get("result"))


def _told(job: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if job.get("tags"):
        yield "tags", printable(" ".join(job["tags"]))
    if job.get("progress"):
        yield "progress", printable(_progress(job["progress"]))
    if job.get("log_bytes"):
        yield "output", f"{job['log_bytes']:,} bytes (jobworker log {job['id']})"


def _attempt(attempt: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield _ordinal(attempt), printable(_verdict(attempt))
    if attempt.get("started_at"):
        yield "    at", f"{attempt['started_at']} to {attempt['ended_at']}"
    if attempt.get("receipt"):
        yield "    cost", _receipt(attempt["receipt"])
    if attempt.get("stack"):
        yield "    hung in", printable(attempt["stack"])
    if attempt.get("no_stack"):
        yield "    no stack", printable(attempt["no_stack"])


def _receipt(receipt: dict[str, Any]) -> str:
    user, system = duration(receipt["cpu_user_seconds"]), duration(receipt["cpu_system_seconds"])
    peak = receipt["peak_rss_bytes"]
    return f"{user} CPU, {system} in the kernel" + ("" if peak is None else f", at most {size(peak)}")


def _stack(taken: dict[str, Any] | None) -> Iterator[tuple[str, str]]:
    if taken:
        yield "stack", printable(f"{taken['taken_at']}\n{taken['stack'] or _no_stack(taken)}".rstrip())


def _no_stack(taken: dict[str, Any]) -> str:
    return f"none: {taken['no_stack']}" if taken.get("no_stack") else ""


def _progress(progress: dict[str, Any]) -> str:
    fraction, message = progress["fraction"], progress["message"]
    parts = [*([f"{fraction:.0%}"] if fraction is not None else []), *([message] if message else [])]
    return f"{', '.join(parts)} ({progress['at']})"


def _budgets(job: dict[str, Any]) -> str:
    failures = f"{job['failures']} of {job['max_attempts']} failed"
    return f"{failures}, {job['crashes']} of {job['max_crashes']} crashed" if job["crashes"] else failures


def _ordinal(attempt: dict[str, Any]) -> str:
    return f"  no. {attempt['attempt']}"


def _verdict(attempt: dict[str, Any]) -> str:
    error = attempt.get("error")
    why = f"{error['type']}: {_first_line(error['message'])}" if error else attempt.get("reason")
    where = f"worker {attempt['worker']} of {attempt['supervisor']}"
    words = [f"{attempt['outcome']} after {attempt['duration']:.3f} s", *([why] if why else []), where]
    return ", ".join(words)


def _durations(job: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, label in (("wait_seconds", "waited"), ("run_seconds", "ran")):
        if job.get(name) is not None:
            yield label, f"{job[name]:.3f} s"


def _error(error: dict[str, Any]) -> str:
    return str(error["traceback"] or f"{error['type']}: {error['message']}").rstrip()


def _json(value: Any) -> str:
    return printable(msgspec.json.encode(value).decode())


def _first_line(message: str) -> str:
    return message.partition("\n")[0]


def _indented(value: str) -> str:
    return value.replace("\n", "\n" + " " * _LABEL_WIDTH)
