"""What the tests of signaling share."""

import sys
from pathlib import Path

from handshaker_common.testing import *  # noqa: F403

sys.path.insert(0, str(Path(__file__).parent))
