"""`job.log`: a logger whose lines go to the job's output, however the author has set logging up."""

import logging
import sys
from typing import Final

from jobworker.handlers.user_traceback import describe


class _Output(logging.Handler):
    """Writes to what stderr is at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        try:
            line = self.format(record)
        except Exception as error:  # an argument of the author's may raise anything when it is shown
            line = _unformatted(record, error)
        try:
            sys.stderr.write(f"{line}\n")
        except Exception:  # as logging's own handlers do: a line that cannot be written is no reason to fail
            self.handleError(record)


def _unformatted(record: logging.LogRecord, error: Exception) -> str:
    # Not as logging does it, with a traceback of ours: where the line comes from is what its author needs.
    where = f"{record.pathname}, line {record.lineno}"
    return f"{record.levelname} {record.msg!s} (its arguments do not fit: {describe(error)}; {where})"


def _make() -> logging.Logger:
    logger = logging.getLogger("jobworker.job")
    logger.setLevel(logging.INFO)
    # Whatever the author sends to the root logger's handlers would show each line twice.
    logger.propagate = False
    output = _Output()
    output.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logger.addHandler(output)
    return logger


JOB_LOG: Final = _make()
