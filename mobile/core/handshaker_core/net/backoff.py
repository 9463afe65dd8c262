"""How long to wait before trying again."""

import random
from dataclasses import dataclass, field

Random = random.Random


@dataclass(slots=True)
class Backoff:
    """Exponential, with jitter: each wait is between half and all of a limit that doubles.

    Attributes:
        first: seconds of the first limit.
        longest: seconds that the limit never exceeds.
    """

    first: float = 0.5
    longest: float = 30.0
    _failures: int = 0
    _random: Random = field(default_factory=random.SystemRandom)

    def failed(self) -> float:
        """Seconds to wait after one more failure."""
        wait = delay(self._failures, self.first, self.longest, self._random)
        self._failures += 1
        return wait

    def succeeded(self) -> None:
        """Begin anew."""
        self._failures = 0


def delay(failures: int, first: float, longest: float, source: Random) -> float:
    """Seconds to wait after so many earlier failures."""
    limit = min(longest, first * 2.0 ** min(failures, 32))
    return source.uniform(limit / 2, limit)
