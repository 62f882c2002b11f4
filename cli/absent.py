"""Importing a package without the optional ones that it would use if it found them."""

import sys
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def absent(name: str) -> Generator[None, None, None]:
    """Have imports of the package `name` fail inside, as if it were not installed; one that is imported stays."""
    if name in sys.modules:
        yield
        return
    # None is what the import system takes for "there is none".
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]
