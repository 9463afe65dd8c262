"""Targets: what passes between two devices while one links the other, and what a camera or a person reads in."""

from functools import cache

from handshaker_core.errors import (
    BadKey,
    InvalidLinkCode,
    LinkingAltered,
    MalformedFrame,
    PaddingError,
    UndecryptableMessage,
    UnsupportedVersion,
)
from handshaker_core.protocol.address import BundleId, SendId, SendSecret
from handshaker_core.protocol.device import DeviceId
from handshaker_core.protocol.frame import Frame
from handshaker_core.protocol.keys import DeviceIdentityKeyPair
from handshaker_core.protocol.linking import messages
from handshaker_core.protocol.linking.code import CodeSecret, LinkCode
from handshaker_core.protocol.linking.messages import Channel, DeviceKeys, Hello, Kind, LinkingShare, Reveal, Transcript
from handshaker_core.protocol.padding import pad
from handshaker_core.protocol.safety_number import MalformedSafetyCode, SafetyCode
from handshaker_core.protocol.seal import SealKeyPair

from .target import Target, text
from .targets_people import IDENTITY, STRANGER

SECRET = CodeSecret(bytes(32))
NEW, PRIMARY = SealKeyPair.generate(bytes), SealKeyPair.generate(lambda size: bytes([1]) * size)
FRAME_ERRORS = (UndecryptableMessage, MalformedFrame, UnsupportedVersion, PaddingError)


@cache
def hello() -> Hello:
    return Hello(PRIMARY.public, (SendId(bytes(16)), SendSecret(bytes(32))), bytes(32))


@cache
def reveal() -> Reveal:
    identity = DeviceIdentityKeyPair(bytes(32)).public
    device = DeviceKeys(identity, bytes(32), DeviceId(bytes(16)), BundleId(bytes(16)), "phone")
    return Reveal(NEW.public, device, LinkingShare(bytes(32)))


@cache
def code() -> LinkCode:
    return LinkCode(SendId(bytes(16)), SECRET, reveal().commitment())


@cache
def transcript() -> Transcript:
    return Transcript.of(code(), hello(), reveal())


def channel() -> Channel:
    return Channel.between(reveal().share, LinkingShare(bytes(32)), transcript())


TARGETS = [
    Target(
        "link-code",
        lambda data: LinkCode.parse(text(data)),
        (InvalidLinkCode,),
        ("protocol.linking.code.LinkCode.parse",),
        lambda: [code().text().encode(), code().text().lower().encode()],
    ),
    Target(
        "linking-hello",
        Hello.decode,
        (LinkingAltered, BadKey),
        ("protocol.linking.messages.Hello.decode",),
        lambda: [hello().encode()],
        Hello.encode,
    ),
    Target(
        "linking-reveal",
        Reveal.decode,
        (LinkingAltered, BadKey),
        ("protocol.linking.messages.Reveal.decode",),
        lambda: [reveal().encode()],
        Reveal.encode,
    ),
    Target(
        "linking-hello-frame",
        lambda data: messages.open_hello(data, SECRET),
        (*FRAME_ERRORS, LinkingAltered, BadKey),
        ("protocol.linking.messages.open_hello", "protocol.linking.messages._open_gcm"),
        lambda: [messages.seal_hello(hello(), SECRET, bytes)],
    ),
    Target(
        "linking-reveal-frame",
        lambda data: messages.open_reveal(data, PRIMARY, hello()),
        (*FRAME_ERRORS, LinkingAltered, BadKey),
        ("protocol.linking.messages.open_reveal",),
        lambda: [messages.seal_reveal(reveal(), hello())],
    ),
    Target(
        "linking-grant-frame",
        lambda data: messages.open_grant(data, NEW, reveal(), transcript()),
        (*FRAME_ERRORS, LinkingAltered),
        ("protocol.linking.messages.open_grant",),
        lambda: [messages.seal_grant(LinkingShare(bytes(32)), bytes(16), reveal(), transcript(), bytes)],
    ),
    Target(
        "linking-channel",
        lambda data: channel().open(Kind.PACKAGE, data),
        FRAME_ERRORS,
        ("protocol.linking.messages.Channel.open",),
        lambda: [channel().seal(Kind.PACKAGE, b"package", bytes), Frame(pad(b"", 2047)).encode()],
    ),
    Target(
        "safety-code",
        SafetyCode.decode,
        (MalformedSafetyCode, UnsupportedVersion),
        ("protocol.safety_number.SafetyCode.decode",),
        lambda: [SafetyCode.between(IDENTITY.public, STRANGER.public).encode()],
        SafetyCode.encode,
    ),
    Target(
        "safety-code-text",
        lambda data: SafetyCode.from_text(text(data)),
        (MalformedSafetyCode, UnsupportedVersion),
        ("protocol.safety_number.SafetyCode.from_text",),
        lambda: [SafetyCode.between(IDENTITY.public, STRANGER.public).text().encode()],
    ),
]
