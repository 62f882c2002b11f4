"""Others, measured in the same run: a file for each, run by a Python of its own."""
