"""`job.log`: a logger whose lines go to the job's output, however the author has set logging up."""

import logging
import sys
from typing import Final


class _Output(logging.Handler):
    """Writes to what stderr is at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        try:
            sys.stderr.write(f"{self.format(record)}\n")
        except Exception:  # as logging's own handlers do: a line that cannot be written is no reason to fail
            self.handleError(record)


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
