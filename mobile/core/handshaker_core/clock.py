"""Time, passed in wherever it is needed so that tests own it."""

import time
from collections.abc import Callable
from typing import TypeAlias

Clock: TypeAlias = Callable[[], float]
"""Returns the wall clock's seconds since 1970-01-01."""

system_clock: Clock = time.time


def milliseconds(now: float) -> int:
    """Seconds since 1970 as the milliseconds that messages carry and the store keeps."""
    return int(now * 1000)
