"""Starting a process that ends with us."""

import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from jobworker.api.death_signal import death_signal


def start_child(
    command: Sequence[str],
    *,
    environ: Mapping[str, str],
    directory: Path | None = None,
    output: IO[bytes] | None = None,
    keep: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own that gets SIGTERM when we die; it inherits the descriptors in `keep`.

    A session of its own: Ctrl-C on the terminal is for us alone, and we end the parts in their order.
    """
    return subprocess.Popen(
        command,
        env=environ,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        pass_fds=keep,
        start_new_session=True,
        # Safe, for `up` has one thread: nobody can hold a lock that this child would wait for.
        preexec_fn=_preparation(),
    )


def _preparation() -> Callable[[], None]:
    bind = death_signal(signal.SIGTERM)

    def prepare() -> None:
        bind()
        # `up` blocks the signals it waits for; the mask would pass through exec.
        signal.pthread_sigmask(signal.SIG_SETMASK, ())

    return prepare
