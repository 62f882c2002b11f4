"""Quantities as a person reads them: three digits and a unit."""

from typing import Final

_TIMES: Final = ((86_400, "d"), (3600, "h"), (60, "min"))
_SIZES: Final = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))


def duration(seconds: float) -> str:
    """Return a time in its greatest unit that it fills.

    >>> duration(0.25), duration(90), duration(200_000)
    ('0.25 s', '1.5 min', '2.31 d')
    """
    return next((f"{seconds / unit:.3g} {name}" for unit, name in _TIMES if seconds >= unit), f"{seconds:.3g} s")


def size(count: int) -> str:
    """Return a number of bytes in its greatest unit that it fills.

    >>> size(512), size(34_603_008)
    ('512 B', '33 MiB')
    """
    return next((f"{count / unit:.4g} {name}" for unit, name in _SIZES if count >= unit), f"{count} B")
