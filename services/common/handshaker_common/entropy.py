"""Randomness as an argument."""

import secrets
from collections.abc import Callable

# Returns that many unpredictable bytes.
Entropy = Callable[[int], bytes]

system_entropy: Entropy = secrets.token_bytes
