"""Stands in for `jobworker up`: an Ensemble of small parts, described in JSON on the command line.

Each part is a Python program; it finds `say` (one line on stdout with the part's name), `signal` and `os`.
"""

import json
import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from jobworker.cli.child import start_child
from jobworker.cli.ensemble import Ensemble
from jobworker.cli.inbox import SignalInbox
from jobworker.cli.logs import configure_logs
from jobworker.cli.parts import Part
from jobworker.store.settings import LogSettings

PRELUDE = """
import os, signal, sys
def say(*words): os.write(1, (" ".join(map(str, [sys.argv[1], *words])) + "\\n").encode())
"""


def part(description: dict[str, Any]) -> Part:
    command = [sys.executable, "-S", "-E", "-c", PRELUDE + description["program"], description["name"]]
    ready = description.get("ready_file")
    return Part(
        description["name"],
        partial(start_child, command, environ=os.environ),
        clock=time.monotonic,
        patience_seconds=description.get("patience_seconds", 10.0),
        is_ready=(lambda: Path(ready).exists()) if ready else (lambda: True),
    )


def main() -> int:
    configure_logs(LogSettings())
    with SignalInbox() as inbox:
        parts = [part(description) for description in json.loads(sys.argv[1])]
        return Ensemble(parts, inbox, announce=lambda: print("all ready", flush=True), clock=time.monotonic).run()  # noqa: T201  # read by the test


if __name__ == "__main__":
    sys.exit(main())
