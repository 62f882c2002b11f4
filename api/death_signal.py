"""Being told by the kernel that the parent has died (Linux's PR_SET_PDEATHSIG)."""

import ctypes
import os
import signal
from collections.abc import Callable
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def death_signal(number: signal.Signals) -> Callable[[], None]:
    """Return what makes a child of this process get the signal when this process dies; to be called in the child."""
    parent = os.getpid()
    # Loaded here: after the fork there should be nothing left to import.
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def ask_for_it() -> None:
        prctl(_PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:
            # It died before the kernel knew that we want to be told.
            os._exit(1)

    return ask_for_it
