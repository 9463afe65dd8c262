"""Where a request comes from, as coarsely as limiting allows."""

import ipaddress
from collections.abc import Sequence
from typing import NewType

# A /24 or /48 in text form. Never leaves the process but as a keyed hash.
Prefix = NewType("Prefix", str)
UNKNOWN = Prefix("unknown")


def client_address(peer: str | None, forwarded: Sequence[str], hops: int) -> str | None:
    """The address of the client as the nearest trusted party saw it.

    `peer` is the other end of the connection, `forwarded` the values of all X-Forwarded-For fields in order, `hops`
    the exact number of own proxies in front. Each proxy appends the address that it saw, so that the client's stands
    `hops` from the right; what is left of it is the client's own claim. With 0 hops the field is not looked at. A
    request with fewer entries than proxies did not come through them: its address is unknown.
    """
    if hops == 0:
        return peer
    entries = [entry.strip() for value in forwarded for entry in value.split(",")]
    return entries[-hops] if len(entries) >= hops else None


def prefix_of(address: str | None) -> Prefix:
    """The network that an address is counted under: /24 for IPv4 (also mapped into IPv6), /48 for IPv6.

    Everything that is no address shares one bucket.
    """
    try:
        ip = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return UNKNOWN
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    length = 24 if ip.version == 4 else 48  # noqa: PLR2004
    return Prefix(str(ipaddress.ip_network((ip, length), strict=False)))
