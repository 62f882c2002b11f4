"""`python -m jobworker.cli`, which is how `jobworker up` starts its parts."""

import sys

from jobworker.cli.entry import main

sys.exit(main())
