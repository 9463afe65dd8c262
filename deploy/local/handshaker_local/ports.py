"""Free ports on loopback that nothing else takes by chance: see docs/adr/0005-fixed-loopback-ports.md."""

import random
import socket

from handshaker_local.errors import PortBusy

# Below the ports that systems hand to outgoing connections (from 32768 on Linux, 49152 elsewhere).
RANGE = range(20_000, 32_000)
TRIES = 200


def free_ports(count: int, host: str) -> list[int]:
    """Different ports on which nobody listens.

    Raises:
        PortBusy: hardly any is free.
    """
    found: list[int] = []
    for port in random.sample(RANGE, k=TRIES + count):
        if len(found) == count:
            break
        with socket.socket() as probe:
            try:
                probe.bind((host, port))
            except OSError:
                continue
        found.append(port)
    if len(found) < count:
        raise PortBusy(f"There are not {count} free ports between {RANGE.start} and {RANGE.stop} on {host}.")
    return found
