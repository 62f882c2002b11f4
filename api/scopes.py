"""What an API key may be allowed to do."""

from enum import StrEnum


class Scope(StrEnum):
    """One kind of permission; each holds alone, but `admin`, which holds all."""

    ENQUEUE = "enqueue"
    READ = "read"
    OPERATE = "operate"
    ADMIN = "admin"
