"""Logs on stderr: ours, and those of waitress, redis and the user's code, all in one shape."""

import logging
from typing import Final

from jobworker.cli.absent import absent
from jobworker.cli.outlet import STDERR, Outlet

# It would import rich for tracebacks that we do not print: 4 MiB of each process. So whoever runs for long imports
# this module before others that log.
with absent("rich"):
    import structlog
    from structlog.typing import Processor

from jobworker.store.configuration import Loaded
from jobworker.store.settings import LogSettings

_SHARED: Final[list[Processor]] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def start_logs(loaded: Loaded) -> None:
    """Configure the logs as the settings say, and log what was ignored among the settings."""
    configure_logs(loaded.settings.log)
    for warning in loaded.warnings:
        structlog.stdlib.get_logger("jobworker").warning(warning)


class LineHandler(logging.Handler):
    """Owns the count of the lines that found no room, and tells it as soon as there is some again."""

    def __init__(self, outlet: Outlet) -> None:
        super().__init__()
        self._outlet = outlet
        self._lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line, or count it."""
        try:
            line = self.format(record)
        except Exception:
            self.handleError(record)
            return
        if self._lost and self._write(self.format(_obituary(self._lost))):
            self._lost = 0
        self._lost += not self._write(line)

    def _write(self, line: str) -> bool:
        return self._outlet.write(f"{line}\n")


def _obituary(lost: int) -> logging.LogRecord:
    event = "%d lines of the log are lost: nobody took them in time"
    return logging.LogRecord("jobworker.log", logging.WARNING, __file__, 0, event, (lost,), None)


def configure_logs(settings: LogSettings, outlet: Outlet | None = None) -> None:
    """Send every log line to `outlet` (stderr), through structlog or the standard library alike."""
    target = outlet or Outlet(STDERR)
    handler = LineHandler(target)
    handler.setFormatter(_formatter(settings, target))
    logging.basicConfig(handlers=[handler], level=settings.level.upper(), force=True)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _formatter(settings: LogSettings, outlet: Outlet) -> logging.Formatter:
    console = settings.format == "console" or (settings.format == "auto" and outlet.isatty())
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *(_console(outlet) if console else _json()),
        ],
    )


def _console(outlet: Outlet) -> list[Processor]:
    # The plain traceback: the pretty ones print locals, and with them payloads and passwords.
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=outlet.isatty(), exception_formatter=plain)]


def _json() -> list[Processor]:
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
