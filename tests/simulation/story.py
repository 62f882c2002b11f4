"""What happens in a run, told so that a failure can be read."""

from collections.abc import Callable


class Story:
    """Owns the lines."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began_at = clock()
        self.lines: list[str] = []

    def tell(self, who: str, what: str) -> None:
        self.lines.append(f"{self._clock() - self._began_at:9.4f} {who:<8} {what}")

    def of(self, *words: str) -> str:
        """Return the lines that mention any of the words; all of them if there are none."""
        return "\n".join(line for line in self.lines if not words or any(word in line for word in words))
