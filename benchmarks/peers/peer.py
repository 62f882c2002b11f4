"""A peer: its requirement in a Python of its own, a server of its own, and the rows that its file prints."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from benchmarks.rows import Row
from benchmarks.server import ENVIRON, server

ROOT: Final = Path(__file__).parents[2]
#: A virtual environment for each peer, kept.
ENVIRONMENTS: Final = ROOT / "benchmarks" / "peers" / ".venv"
COUNT: Final = 20


class Peer(Struct, frozen=True):
    """Somebody who is measured by `benchmarks/peers/<name>.py`."""

    name: str
    #: As for pip, one or more with blanks between; pinned, for a figure is of a version.
    requirement: str
    environments: Path = ENVIRONMENTS

    def measure(self, rounds: int) -> Iterator[Row]:
        """Yield its rows, with the requirement before each; none, and a word on stderr, when it cannot be installed."""
        python = self.python()
        if python is None:
            return
        with server() as on:
            command = [str(python), "-m", f"benchmarks.peers.{self.name}", str(on.folder), on.url, str(rounds)]
            # typings: the namespace `jobworker` from the checkout, for the jobs that hang as ours do.
            environ = {**ENVIRON, "PYTHONPATH": f"{ROOT}:{ROOT / 'typings'}"}
            with subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE) as process:
                assert process.stdout is not None
                for line in process.stdout:
                    row = msgspec.json.decode(line, type=Row)
                    yield msgspec.structs.replace(row, what=f"{self.requirement}: {row.what}")
            if process.returncode:
                print(f"{self.name} is incomplete: exit code {process.returncode}", file=sys.stderr)

    def python(self) -> Path | None:
        """Return a Python that has the requirement, made at the first time."""
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        folder = self.environments / f"{self.requirement.replace(' ', ',')}-python{version}"
        python, complete = folder / "bin" / "python", folder / "complete"
        if not complete.exists():
            # msgspec: for the rows, and for the payloads of our own handlers.
            pip = [str(python), "-m", "pip", "install", "-qqq", "--retries=1", *self.requirement.split(), "msgspec"]
            if not all(_succeeds(command) for command in ([sys.executable, "-m", "venv", "--clear", str(folder)], pip)):
                print(f"{self.name} is skipped: {self.requirement} cannot be installed", file=sys.stderr)
                return None
            complete.touch()
        return python


def _succeeds(command: list[str]) -> bool:
    return subprocess.run(command, check=False).returncode == 0


PEERS: Final = (Peer("rq", "rq==3.0.0"),)


def compared(peer: Row, ours: list[Row]) -> Row:
    """Return a peer's row beside the figure of ours that has the same name."""
    by_name = {row.what: row.value for row in ours}
    return msgspec.structs.replace(peer, against="ours", base=by_name.get(peer.what.partition(": ")[2]))


def measure(rounds: int) -> Iterator[Row]:
    """Yield the rows of one peer after the other."""
    for peer in PEERS:
        yield from peer.measure(rounds)
