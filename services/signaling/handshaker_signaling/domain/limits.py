"""Every number that the relay's behaviour depends on."""

from dataclasses import dataclass

# The two sizes of a frame, bytes.
FRAME_SIZES = frozenset({2_048, 16_384})
ID_BYTES = 16
SECRET_BYTES = 32
KEY_BYTES = 32
SIGNATURE_BYTES = 64
CHALLENGE_BYTES = 32
LONGEST_TTL_HOURS = 336

# What one ClientMessage may hold; the same numbers stand in socket.proto.
MOST_SUBSCRIBES = 256
MOST_UNSUBSCRIBES = 256
MOST_SENDS = 32
MOST_ACKNOWLEDGEMENTS = 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Times are in seconds, sizes in bytes."""

    # How long a recipient has to acknowledge before a frame is stored.
    acknowledge_seconds: float = 0.25
    # How long a socket may stay without a valid subscribe or send.
    authenticate_seconds: float = 5.0
    # Bad signatures after which a socket is closed.
    most_bad_signatures: int = 8
    # Unacknowledged deliveries of one socket. The bytes keep a burst below the gateway's write buffer (256 KiB), so
    # that only a client which does not read its socket is ever called too slow.
    window_deliveries: int = 64
    window_bytes: int = 192 * 1024
    # Reading stored frames goes on when no more than this is unacknowledged.
    low_water_deliveries: int = 32
    low_water_bytes: int = 96 * 1024
    # Stored frames asked for at a time.
    page_frames: int = 16
    # Payload of one ServerMessage; the protocol allows 64 KiB.
    message_bytes: int = 60_000
    most_subscriptions: int = 4_096
    # Signatures checked before other work gets its turn; each costs 100 to 200 us.
    signatures_at_once: int = 8
    # Answers about mailboxes are kept: how many, and how long when there is one and when there is none.
    capabilities: int = 100_000
    capability_seconds: float = 30.0
    no_capability_seconds: float = 1.0
    # Stored frames whose recipient's process could not be told, remembered until Redis answers again.
    most_unchecked: int = 10_000
    # Sends that may wait for such an answer.
    most_unresolved: int = 20_000
    # A refused send is answered this long after it came, whatever was wrong, so that the time says nothing.
    refusal_seconds: float = 0.1
    # Who holds a mailbox elsewhere is remembered this long; that nobody does, shorter.
    routes: int = 100_000
    route_seconds: float = 5.0
    no_route_seconds: float = 0.5
    # A process that could not be reached is left alone this long.
    unreachable_seconds: float = 2.0
    # Frames in care at a time.
    most_pending: int = 50_000
    default_ttl_hours: int = LONGEST_TTL_HOURS
    # Leases live `lease_seconds` and are renewed in this period.
    lease_seconds: int = 60
    renew_seconds: float = 20.0
    # Each drained subscription is read again in this period; more often while leases cannot be trusted.
    sweep_seconds: float = 30.0
    sweep_without_leases_seconds: float = 5.0
