"""`jobworker up`: server, supervisor and API on one machine, as one command."""

import os

import click

from jobworker.cli.linux import require_linux
from jobworker.cli.options import with_settings
from jobworker.store.configuration import Loaded


@click.command()
@with_settings("redis", "jobs", "supervisor", "api", "log", "state")
def up(loaded: Loaded) -> int:
    """Run everything on this machine: a server for the jobs (or --redis), the API, a supervisor.

    The data stays on disk in the state directory. What dies is started again; Ctrl-C drains.
    """
    require_linux("`jobworker up`")
    from jobworker.cli.composition import run
    from jobworker.cli.guard import stand_guard
    from jobworker.cli.inbox import SignalInbox
    from jobworker.cli.logs import start_logs

    start_logs(loaded)
    guard_pid = os.getpid()
    with SignalInbox() as inbox:
        exit_code = stand_guard(inbox)
        return run(loaded, inbox, owner_pid=guard_pid) if exit_code is None else exit_code
