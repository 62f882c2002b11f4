"""The soak alone: `python -m benchmarks.soak [SECONDS]`."""

from benchmarks.rows import main
from benchmarks.soak.soak import COUNT, measure

main(measure, COUNT)
