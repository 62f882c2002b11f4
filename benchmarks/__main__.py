"""All measurements as one table: `python -m benchmarks [--scale SHARE] [--markdown]`."""

import argparse
import shlex
import sys
from typing import Final

from benchmarks import cancel, drain, hangs, idle, kill, memory, output, pickup, posts, recovery, startup
from benchmarks.document import circumstances, write
from benchmarks.peers import peer
from benchmarks.rows import Row, show

OURS: Final = (kill, cancel, hangs, idle, recovery, pickup, posts, drain, output, startup, memory)


def main() -> None:
    """Measure, print each row as it comes, and write the page if asked."""
    options = _read_options()
    words = circumstances(" ".join(["python -m benchmarks", *map(shlex.quote, sys.argv[1:])]))
    print(*words, sep="\n", end="\n\n")
    rows: list[Row] = []
    for measurement in OURS:
        for row in measurement.measure(_scaled(measurement.COUNT, options.scale)):
            show(row)
            rows.append(row)
    for row in peer.measure(_scaled(peer.COUNT, options.scale)):
        beside = peer.compared(row, rows)
        show(beside)
        rows.append(beside)
    if options.markdown:
        write(rows, words)


def _scaled(count: int, scale: float) -> int:
    return max(1, round(count * scale))


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure everything; about 15 minutes.")
    parser.add_argument("--scale", type=float, default=1.0, help="measure this share of the rounds and jobs (0.1)")
    parser.add_argument("--markdown", action="store_true", help="write the table into docs/benchmarks.md")
    return parser.parse_args()


if __name__ == "__main__":
    main()
