"""The commands, and what becomes of their errors: one line on stderr and an exit code, never a traceback."""

import os
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

import click

from jobworker.cli.api import api
from jobworker.cli.audit import audit
from jobworker.cli.cancel import cancel, delete, retry
from jobworker.cli.chaos.command import chaos
from jobworker.cli.config import config
from jobworker.cli.control import drain, scale, stack
from jobworker.cli.doctor import doctor
from jobworker.cli.entry import INTERRUPTED
from jobworker.cli.explain import explain
from jobworker.cli.fleet import handlers, queues, supervisors, workers
from jobworker.cli.healthcheck import healthcheck
from jobworker.cli.job import job
from jobworker.cli.jobs import jobs
from jobworker.cli.key import key
from jobworker.cli.log import log
from jobworker.cli.outlet import fill_standard_streams
from jobworker.cli.output import say
from jobworker.cli.pause import pause, resume
from jobworker.cli.schedules import schedule, schedules
from jobworker.cli.stats import stats
from jobworker.cli.submit import submit
from jobworker.cli.supervisor import supervisor
from jobworker.cli.up import up
from jobworker.cli.watch import watch
from jobworker.store.errors import BadSetting, StoreUnavailable

#: The roots of the errors that are answers, not bugs.
_ERROR_ROOTS: Final = {
    "jobworker.store.errors": "StoreError",
    "jobworker.handlers.errors": "HandlerError",
    "jobworker.supervisor.errors": "SupervisorError",
    "jobworker.api.errors": "ApiError",
}
_EXIT_CODES: Final = {BadSetting: 2, StoreUnavailable: 3}


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="jobworker")
def cli() -> None:
    """Background jobs for services that speak HTTP.

    Exit codes: 0 done, 1 failed, 2 usage, 3 not reachable, 130 interrupted.
    """


_JOBS = (submit, job, jobs, explain, log, stack, cancel, retry, delete, pause, resume)
_FLEET = (queues, workers, handlers, supervisors, scale, drain, schedules, schedule, stats, watch)

for _command in (up, supervisor, api, *_JOBS, *_FLEET, config, key, audit, doctor, healthcheck, chaos):
    cli.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command that the arguments name, and exit with its code."""
    fill_standard_streams()
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # Who read our output has left; nothing more can be said to them, not even by the flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        return _invoke(arguments)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        return _report(_sentence(error), error.exit_code)
    except click.Abort:
        return _report("interrupted", INTERRUPTED)
    except BrokenPipeError:
        raise
    except OSError as error:
        return _report(": ".join(str(part) for part in (error.filename, error.strerror or error) if part), 1)
    except _known_errors() as error:
        return _report(str(error), next((code for kind, code in _EXIT_CODES.items() if isinstance(error, kind)), 1))


def _invoke(arguments: Sequence[str] | None) -> int:
    try:
        return cli.main(arguments, prog_name="jobworker", standalone_mode=False) or 0
    except UnicodeEncodeError as error:
        # Python hides bytes of the command line that are no UTF-8 in surrogates.
        if error.reason != "surrogates not allowed":
            raise
        raise click.UsageError("an argument or the input holds bytes that are not UTF-8") from None


def _known_errors() -> tuple[type[Exception], ...]:
    # Only what is loaded can have been raised: importing the rest would cost more than the command.
    return tuple(getattr(sys.modules[name], root) for name, root in _ERROR_ROOTS.items() if name in sys.modules)


def _sentence(error: click.ClickException) -> str:
    message = error.format_message()
    if isinstance(error, click.UsageError) and error.ctx is not None:
        return f"{message.rstrip('.')} (see `{error.ctx.command_path} --help`)"
    return message


def _report(message: str, code: int) -> int:
    # What stands above the last line is the traceback of somebody's handler module.
    traceback, newline, sentence = message.rstrip().rpartition("\n")
    say(f"{traceback}{newline}jobworker: {sentence}", err=True)
    return code
