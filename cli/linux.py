"""Which systems can run workers: pidfds, subreapers and death signals are Linux's."""

import platform
import re
from typing import Final

from jobworker.cli.errors import Failed

#: The first kernel with all of what the supervisor needs (waitid on a pidfd).
OLDEST_LINUX: Final = (5, 4)


def require_linux(what: str, *, system: str | None = None, release: str | None = None) -> None:
    """Raise Failed, in one sentence, unless this is Linux 5.4 or newer."""
    system, release = system or platform.system(), release or platform.release()
    version = tuple(int(number) for number in re.findall(r"\d+", release)[:2])
    if system == "Linux" and version >= OLDEST_LINUX:
        return
    oldest = ".".join(map(str, OLDEST_LINUX))
    raise Failed(
        f"{what} needs Linux {oldest} or newer, and this is {system} {release}; "
        "the API and the client commands run here too"
    )
