"""The HTTP API, measured beside others that do the same, and against its own limits."""
