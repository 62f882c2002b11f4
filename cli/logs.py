"""Logs on stderr: ours, and those of waitress, redis and the user's code, all in one shape."""

import logging
import sys
from typing import Final, TextIO

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


def configure_logs(settings: LogSettings, stream: TextIO | None = None) -> None:
    """Send every log line to `stream` (stderr), through structlog or the standard library alike."""
    target = stream or sys.stderr
    handler = logging.StreamHandler(target)
    handler.setFormatter(_formatter(settings, target))
    logging.basicConfig(handlers=[handler], level=settings.level.upper(), force=True)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _formatter(settings: LogSettings, stream: TextIO) -> logging.Formatter:
    console = settings.format == "console" or (settings.format == "auto" and stream.isatty())
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *(_console(stream) if console else _json()),
        ],
    )


def _console(stream: TextIO) -> list[Processor]:
    # The plain traceback: the pretty ones print locals, and with them payloads and passwords.
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=plain)]


def _json() -> list[Processor]:
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
