"""MQTT topics, which change every day so that a broker cannot follow a device."""

import base64
import hmac

SECONDS_PER_DAY = 86_400
TOPIC_BYTES = 16


def day_of(now: float) -> int:
    """The UTC day since 1970-01-01."""
    return int(now // SECONDS_PER_DAY)


def topic(topic_key: bytes, now: float) -> str:
    """The topic of today (UTC) for a topic key (32 bytes): "w/" and 22 characters of base64url."""
    digest = hmac.digest(topic_key, day_of(now).to_bytes(4, "big"), "sha256")[:TOPIC_BYTES]
    return "w/" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
