"""The command line: `jobworker up | supervisor | api | submit | …`."""
