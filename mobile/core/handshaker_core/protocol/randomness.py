"""Where random bytes come from.

KEM encapsulation and HPKE take theirs inside the cryptographic library, whose interface offers no other way; everything
else asks the function that the caller passed.
"""

import os
from collections.abc import Callable
from typing import TypeAlias

Randomness: TypeAlias = Callable[[int], bytes]
"""Returns so many fresh, uniform, unpredictable bytes."""

system_randomness: Randomness = os.urandom
