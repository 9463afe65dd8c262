"""What an operator may say, and what is said back when it makes no sense."""

import pytest
from handshaker_common.config import sentences
from handshaker_gateway.limiters import Limiter
from handshaker_gateway.main import socket_limits, tls_context
from handshaker_gateway.settings import GatewaySettings
from pydantic import ValidationError

NEEDED = {
    "redis_url": "redis://127.0.0.1:1",
    "auth_target": "127.0.0.1:1",
    "keys_target": "127.0.0.1:2",
    "signaling_target": "127.0.0.1:3",
    "blobstore_target": "127.0.0.1:4",
}


def mistakes(**changes):
    with pytest.raises(ValidationError) as caught:
        GatewaySettings(**(NEEDED | changes))
    return sentences(caught.value)


def test_defaults():
    settings = GatewaySettings(**NEEDED)
    assert settings.listen == "127.0.0.1:8080"
    assert settings.host_names == frozenset()
    assert settings.limits_in_force == {limiter: limiter.value for limiter in Limiter}
    assert tls_context(settings) is None


def test_everything_that_is_missing_is_named(monkeypatch):
    for name in NEEDED:
        monkeypatch.delenv(f"HANDSHAKER_{name.upper()}", raising=False)
    with pytest.raises(ValidationError) as caught:
        GatewaySettings()
    said = sentences(caught.value)
    assert sorted(said) == sorted(f"HANDSHAKER_{name.upper()}: is not set." for name in NEEDED)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"listen": "8080"}, "HANDSHAKER_LISTEN"),
        ({"listen": "0.0.0.0:8080"}, "HANDSHAKER_PLAIN_HTTP"),
        ({"public_certificate_file": "/nonexistent"}, "HANDSHAKER_PUBLIC_KEY_FILE"),
        ({"public_certificate_file": "/nonexistent", "public_key_file": "/nonexistent"}, "not there"),
        ({"forwarded_hops": -1}, "HANDSHAKER_FORWARDED_HOPS"),
        ({"hosts": "https://chat.example"}, "HANDSHAKER_HOSTS"),
        ({"hosts": "chat.example:443"}, "HANDSHAKER_HOSTS"),
        ({"limits": "lookup"}, "HANDSHAKER_LIMITS"),
        ({"limits": "lookup=0/5"}, "HANDSHAKER_LIMITS"),
        ({"limits": "lookup=5/0"}, "HANDSHAKER_LIMITS"),
        ({"limits": "lookup=5/-1"}, "HANDSHAKER_LIMITS"),
        ({"limits": "lookups=5/5"}, "there is no limiter"),
        ({"unready_seconds": 9, "drain_seconds": 10}, "HANDSHAKER_DRAIN_SECONDS"),
    ],
)
def test_mistakes_get_one_sentence(changes, named):
    (sentence,) = mistakes(**changes)
    assert named in sentence


def test_what_may_be_said():
    settings = GatewaySettings(
        **NEEDED,
        listen="0.0.0.0:8080",
        plain_http=True,
        hosts="Chat.Example, abc.onion",
        limits="lookup=7/2.5, socket_bytes=1000000000/1,socket_messages=50/10",
    )
    assert settings.host_names == {"chat.example", "abc.onion"}
    assert settings.limits_in_force[Limiter.LOOKUP].burst == 7
    limits = socket_limits(settings.limits_in_force)
    assert (limits.bytes_burst, limits.bytes_rate) == (1_000_000_000, 1_000_000_000)
    assert (limits.messages_burst, limits.messages_rate) == (50, 5)
