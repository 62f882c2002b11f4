"""What a supervisor keeps in the state directory, by its name."""

from pathlib import Path


def lock_file(folder: Path, name: str) -> Path:
    """Return the file whose lock says that the name is taken on this host."""
    return folder / f"{name}.lock"


def beat_file(folder: Path, name: str) -> Path:
    """Return the file that says that the supervisor's loop turns."""
    return folder / f"{name}.beat"
