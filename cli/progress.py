"""A progress bar over the lines of a file, on a terminal only."""

import os
import stat
import sys
from collections.abc import Iterator
from typing import BinaryIO


def followed(source: BinaryIO) -> Iterator[bytes]:
    """Yield the lines; on a terminal with a bar that shows how far they have come."""
    if not sys.stderr.isatty():
        yield from source
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.fields[lines]} lines"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    # The bar is on stderr: what goes to stdout may only pass through it when both are the same terminal.
    with Progress(*columns, console=Console(stderr=True), redirect_stdout=sys.stdout.isatty()) as progress:
        task = progress.add_task("", total=_size(source), lines=0)
        for number, line in enumerate(source, 1):
            yield line
            progress.update(task, advance=len(line), lines=number)


def _size(source: BinaryIO) -> int | None:
    status = os.fstat(source.fileno())
    return status.st_size if stat.S_ISREG(status.st_mode) else None
