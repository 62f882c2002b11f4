"""Where a command begins: before what takes longer to import than Ctrl-C takes to come."""

import sys

#: What a shell calls a command that Ctrl-C has ended: 128 and the number of SIGINT.
INTERRUPTED = 130


def main() -> int:
    """Run the command that the arguments name; it exits with its own code, unless it is interrupted before it can."""
    try:
        from jobworker.cli.main import main as run

        run()
    except KeyboardInterrupt:
        # Not by click, which may not be there yet.
        sys.stderr.write("jobworker: interrupted\n")
        return INTERRUPTED
