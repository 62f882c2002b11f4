"""Every peer: `python -m benchmarks.peers [ROUNDS]`."""

from benchmarks.peers.peer import COUNT, measure
from benchmarks.rows import main

main(measure, COUNT)
