"""What commands print."""

from typing import Any, Final

import click
import msgspec

from jobworker.cli.outlet import STDERR, STDOUT, Outlet

#: What came over the wire must not steer the terminal: control characters are shown, not sent.
_VISIBLE: Final = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}


def print_json(value: Any) -> None:
    """Print one JSON text on one line."""
    click.echo(msgspec.json.encode(value))


def say(text: str, *, err: bool = False) -> None:
    """Print a line if it can be printed at once: a process that serves neither waits for its reader nor needs one."""
    Outlet(STDERR if err else STDOUT).write(f"{text}\n")


def printable(text: str) -> str:
    r"""Return the text with control characters made visible.

    >>> printable("\x1b[31mred")
    '\\x1b[31mred'
    """
    return text.translate(_VISIBLE)
