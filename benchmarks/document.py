"""The block of docs/benchmarks.md that a run writes: where, when, with what, and the table."""

import os
import platform
import re
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

import psutil

from benchmarks.rows import Row, markdown
from jobworker.cli.embedded import find_server

PAGE: Final = Path(__file__).parents[1] / "docs" / "benchmarks.md"
BEGIN: Final = "<!-- benchmarks: written by python -m benchmarks --markdown -->\n"
END: Final = "<!-- benchmarks: end -->\n"


def circumstances(command: str) -> list[str]:
    """Return in words when, on what and with what a run is made; call it before the run, for the load is in it."""
    load, cores = os.getloadavg()[0], os.cpu_count()
    memory_gib = psutil.virtual_memory().total / 2**30
    versions = [f"jobworker {version('jobworker')}", f"Python {platform.python_version()}", _server_version()]
    packages = [f"{name} {version(name)}" for name in ("redis", "falcon", "waitress")]
    return [
        f"`{command}`, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, load of the machine before it: {load:.2f}",
        f"{cores} CPUs ({_cpu()}), {memory_gib:.0f} GiB, {platform.system()} {platform.release()}",
        ", ".join([*versions, *packages]),
    ]


def write(rows: Iterable[Row], words: Iterable[str], page: Path = PAGE) -> None:
    """Put the table and its circumstances in the place of those of the run before."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{block(rows, words)}\n{END}{after}", encoding="utf-8")


def block(rows: Iterable[Row], words: Iterable[str]) -> str:
    """Return the table and its circumstances as the page has them."""
    items = "".join(f"- {line}\n" for line in words)
    return f"{items}\n{markdown(rows)}"


def _cpu() -> str:
    found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else platform.machine()


def _server_version() -> str:
    program = find_server()
    assert program is not None
    words = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout.split()
    return f"{program.name} {next(word for word in words if word.startswith('v='))[2:]}"
