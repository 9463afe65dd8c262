from handshaker_common.testing import *  # noqa: F403
