"""`jobworker chaos`: kill things for a while, and prove that nothing was lost."""

import secrets
import shutil
import signal
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import click

from jobworker.cli.linux import require_linux
from jobworker.cli.output import print_json, say


@click.command()
@click.option("--seed", type=int, help="Of the faults; the same seed draws the same ones.  [default: any]")
@click.option("--seconds", type=click.FloatRange(5, 86_400), default=60, show_default=True, help="How long.")
@click.option("--supervisors", type=click.IntRange(1, 16), default=2, show_default=True, help="How many.")
@click.option("--workers", type=click.IntRange(1, 64), default=4, show_default=True, help="Of each supervisor.")
@click.option("--rate", type=click.FloatRange(1, 10_000), default=40, show_default=True, help="Jobs a second.")
@click.option("--every", type=click.FloatRange(0.1, 60), default=1.0, show_default=True, help="Seconds between faults.")
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="Keep data and logs in this new folder.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def chaos(*, keep: Path | None, seed: int | None, as_json: bool, **numbers: float) -> int:
    """Kill, freeze and cut off everything for a while, and count whether anything was lost that was accepted.

    Runs on a server, an API and supervisors of its own in a temporary folder, and touches no other Redis. Exit code 1
    when anything was lost, left or done without a reason; the folder is kept then. Interrupted, it leaves nothing.
    """
    require_linux("`jobworker chaos`")
    from jobworker.cli.chaos.report import show, show_faults
    from jobworker.cli.chaos.trial import Options, run
    from jobworker.cli.logs import configure_logs
    from jobworker.cli.outlet import Outlet
    from jobworker.store.settings import LogSettings

    options = Options(seed=secrets.randbelow(10**6) if seed is None else seed, **numbers)  # type: ignore[arg-type]
    with _interruptible(), _folder(keep) as folder, (folder / "chaos.log").open("ab") as log:
        configure_logs(LogSettings(format="json"), Outlet(log.fileno()))
        if not as_json:
            show_faults(options)
        report = run(options, folder)
    (print_json if as_json else show)(report)
    if keep is None and report.is_clean:
        shutil.rmtree(folder)
        return 0
    say(f"jobworker: data and logs are in {folder}", err=True)
    return 0 if report.is_clean else 1


@contextmanager
def _interruptible() -> Generator[None]:
    """Let SIGTERM do what Ctrl-C does: end the processes, tidy up."""
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


@contextmanager
def _folder(keep: Path | None) -> Generator[Path]:
    """A new folder: the one to keep, or a temporary one that goes if the run is interrupted."""
    if keep is not None:
        keep.mkdir(parents=True)
    folder = Path(tempfile.mkdtemp(prefix="jobworker-chaos-")) if keep is None else keep.absolute()
    try:
        yield folder
    except KeyboardInterrupt:
        # Half a run proves nothing.
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            say(f"jobworker: data and logs are in {folder}", err=True)
        raise
