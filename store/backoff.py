"""How long a failed job waits before its next attempt."""

import random
from collections.abc import Callable

from msgspec import Struct

from jobworker.store.limits import BackoffFactor, BackoffSeconds


class Backoff(Struct, frozen=True, forbid_unknown_fields=True):
    """Exponential backoff with full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter", 2015)."""

    base: BackoffSeconds = 1.0
    factor: BackoffFactor = 2.0
    max: BackoffSeconds = 3600.0
    jitter: bool = True

    def delay_ms(self, failures: int, uniform: Callable[[float, float], float] = random.uniform) -> int:
        """Return the wait after the given number of failures (1 = the first), in ms.

        >>> Backoff(jitter=False).delay_ms(3)
        4000
        """
        # 100 attempts at factor 100 leave the range of floats: the exponent is bounded first.
        ceiling = min(self.max, self.base * self.factor ** min(failures - 1, 100))
        return round(1000 * (uniform(0.0, ceiling) if self.jitter else ceiling))
