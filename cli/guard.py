"""The process that the user sees as `jobworker up`, and kills if he must.

It does nothing but stand between the user and the process that owns the parts. If that one were killed by SIGKILL, the
server would be gone before the supervisor could put its jobs back. So the user gets this one: whatever becomes of it,
the other lives on just long enough to end the parts in their order.
"""

import os
import signal
from typing import Final

from jobworker.api.death_signal import death_signal
from jobworker.cli.inbox import SignalInbox
from jobworker.cli.output import say

#: What the other process gets when the guard dies: end now, without loss. A script's background jobs ignore SIGINT and
#: SIGQUIT, those of nohup SIGHUP; this one nobody ignores for us.
ABANDONED: Final = signal.SIGUSR1


def stand_guard(inbox: SignalInbox) -> int | None:
    """Fork: return None in the child, which does the work, and its exit code in the guard when it has ended."""
    bind = death_signal(ABANDONED)
    pid = os.fork()
    if pid:
        return _guard(inbox, pid)
    # The child leaves here and returns into the command. Its inbox is open, too: no signal is lost meanwhile.
    bind()
    # Out of the terminal's reach: what Ctrl-C sends comes once, through the guard.
    os.setsid()
    return None


def _guard(inbox: SignalInbox, pid: int) -> int:
    while True:
        number = inbox.take()
        if number is not signal.SIGCHLD:
            os.kill(pid, number)
        elif (code := _exit_code(pid)) is not None:
            if code < 0:
                # It could say nothing any more, and its parts are told by the kernel.
                fate = f"was killed by {signal.Signals(-code).name}; the parts drain and end by themselves"
                say(f"jobworker: the process that runs the parts (pid {pid}) {fate}", err=True)
            return 1 if code < 0 else code


def _exit_code(pid: int) -> int | None:
    """Reap what has ended; return the exit code of `pid`, or minus the signal that killed it, once it is among them."""
    while True:
        try:
            # Any child: as process 1 of a container the guard inherits orphans.
            reaped, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return None
        if reaped == pid:
            return os.waitstatus_to_exitcode(status)
        if reaped == 0:
            return None
