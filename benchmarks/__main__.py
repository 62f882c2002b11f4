"""Measurements as one table: `python -m benchmarks [--scale SHARE] [--markdown] [--only NAME …]`."""

import argparse
import shlex
import sys
from typing import Final

from benchmarks import (
    cancel,
    drain,
    failover,
    hangs,
    idle,
    kill,
    memory,
    output,
    pickup,
    posts,
    recovery,
    schedule,
    startup,
)
from benchmarks.document import block, circumstances, write
from benchmarks.http import posts as http_posts
from benchmarks.http import waiting as http_waiting
from benchmarks.peers import peer
from benchmarks.rows import Row, exit_if_failed, show
from benchmarks.soak import soak

OURS: Final = (
    *(kill, cancel, hangs, idle, recovery, failover, pickup, schedule, posts, drain, output, startup, memory),
    soak,
)
BY_NAME: Final = {
    **{module.__name__.rpartition(".")[2]: module for module in OURS},
    "http_posts": http_posts,
    "http_waiting": http_waiting,
    "peer": peer,
}


def main() -> None:
    """Measure, print each row as it comes, and write the page if asked."""
    options = _read_options()
    words = circumstances(" ".join(["python -m benchmarks", *map(shlex.quote, sys.argv[1:])]))
    print(*words, sep="\n", end="\n\n")
    rows: list[Row] = []
    for name in options.only or BY_NAME:
        for row in BY_NAME[name].measure(_scaled(BY_NAME[name].COUNT, options.scale)):
            rows.append(peer.compared(row, rows) if name == "peer" else row)
            show(rows[-1])
    if options.markdown and options.only:
        print("", block(rows, words), sep="\n")
    elif options.markdown:
        write(rows, words)
    exit_if_failed(rows)


def _scaled(count: int, scale: float) -> int:
    return max(1, round(count * scale))


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure everything; about 25 minutes.")
    parser.add_argument("--scale", type=float, default=1.0, help="measure this share of the rounds and jobs (0.1)")
    parser.add_argument("--markdown", action="store_true", help="write docs/benchmarks.md; a part is printed")
    parser.add_argument("--only", nargs="+", choices=BY_NAME, metavar="NAME", help=f"a part: {', '.join(BY_NAME)}")
    return parser.parse_args()


if __name__ == "__main__":
    main()
