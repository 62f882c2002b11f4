"""`jobworker supervisor`: one supervisor and its workers."""

import click

from jobworker.cli.linux import require_linux
from jobworker.cli.options import with_settings
from jobworker.store.configuration import Loaded


@click.command()
@with_settings("redis", "jobs", "supervisor", "log", "state")
def supervisor(loaded: Loaded) -> int:
    """Run one supervisor and its workers."""
    require_linux("the supervisor")
    from jobworker.cli.logs import start_logs
    from jobworker.supervisor.supervisor import run

    start_logs(loaded)
    return run(loaded.settings)
