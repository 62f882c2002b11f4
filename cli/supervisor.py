"""`jobworker supervisor`: one supervisor and its workers."""

import os

import click

from jobworker.cli.errors import Failed
from jobworker.cli.linux import require_linux
from jobworker.cli.options import with_settings
from jobworker.store.configuration import PART_VARIABLE, Loaded


@click.command()
@with_settings("redis", "jobs", "supervisor", "log", "state")
def supervisor(loaded: Loaded) -> int:
    """Run one supervisor and its workers."""
    require_linux("the supervisor")
    from jobworker.cli.logs import start_logs
    from jobworker.supervisor.errors import LockHeld
    from jobworker.supervisor.supervisor import run

    start_logs(loaded)
    try:
        return run(loaded.settings)
    except LockHeld as error:
        raise Failed(f"{error}; {_advice()}") from None


def _advice() -> str:
    if PART_VARIABLE in os.environ:
        return "an earlier one still works or drains, and must end first"
    return "end it or use --name"
