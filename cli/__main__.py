"""`python -m jobworker.cli`, which is how `jobworker up` starts its parts."""

from jobworker.cli.main import main

main()
