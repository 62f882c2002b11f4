"""Commands that do not outlive the tests that start them, also when those are killed with -9."""

import shutil
from collections.abc import Sequence
from typing import Final

#: Of util-linux, which is nearly everywhere; it becomes the command, so the pid stays. Popen's `preexec_fn` is for
#: processes with one thread, and that a test runner is not.
_SETPRIV: Final = shutil.which("setpriv")


def mortal(command: Sequence[str]) -> list[str]:
    """Return a command that the kernel kills when the thread that starts it has ended."""
    return list(command) if _SETPRIV is None else [_SETPRIV, "--pdeathsig", "KILL", "--", *command]
