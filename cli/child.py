"""Starting a process that ends with us."""

import ctypes
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Final

_PR_SET_PDEATHSIG: Final = 1


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
        preexec_fn=_bind_to(os.getpid()),
    )


def _bind_to(parent: int) -> Callable[[], None]:
    # Loaded here: after the fork there should be nothing left to import.
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def bind() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            # It died before the kernel knew that we want to be told.
            os._exit(1)
        # `up` blocks the signals it waits for; the mask would pass through exec.
        signal.pthread_sigmask(signal.SIG_SETMASK, ())

    return bind
