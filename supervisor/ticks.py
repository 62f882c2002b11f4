"""The common tick: what is done once in a while meets there, so that a supervisor at rest is woken rarely."""

import asyncio
import math
from typing import Final

#: Waits that are shorter are not touched: they are for what cannot wait.
TICK_SECONDS: Final = 1.0


def until_tick(most_seconds: float) -> float:
    """Return the seconds until the last tick that is at most so far away."""
    if most_seconds < TICK_SECONDS:
        return most_seconds
    now = asyncio.get_running_loop().time()
    return max(0.0, math.floor((now + most_seconds) / TICK_SECONDS) * TICK_SECONDS - now)
