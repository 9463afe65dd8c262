"""Targets: what lies in a mailbox, from the sealed frame down to the header, and what is decrypted from it."""

from collections.abc import Callable
from functools import cache
from typing import Any

from handshaker_core.client.content import Content
from handshaker_core.client.device_content import LinkedAccount
from handshaker_core.client.prekeys import read_bundle
from handshaker_core.errors import (
    BadKey,
    BadSignature,
    DuplicateMessage,
    MalformedDevice,
    MalformedFrame,
    PaddingError,
    ProtocolError,
    ReplayedHandshake,
    TooManySkipped,
    UndecryptableMessage,
    UnknownPreKey,
    UnsupportedVersion,
    WrongDevice,
    WrongIdentity,
)
from handshaker_core.net.errors import ServerTrouble
from handshaker_core.net.http import _parse
from handshaker_core.protocol import double_ratchet
from handshaker_core.protocol import session as sessions
from handshaker_core.protocol.blind_tokens import _AFTER_MODULUS, _BEFORE_MODULUS, IssuerKey
from handshaker_core.protocol.bundle import verify_bundle
from handshaker_core.protocol.frame import Frame, FrameSize
from handshaker_core.protocol.header import Header
from handshaker_core.protocol.pq_chunks import PqHeader
from handshaker_core.protocol.pqxdh import Handshake
from handshaker_core.protocol.profile import HANDSHAKER_V1, FixedHeader
from handshaker_core.protocol.seal import SEAL_OVERHEAD
from handshaker_core.protocol.sealed_sender import Envelope, Opening, _info
from handshaker_core.protocol.session import SessionState
from handshaker_proto.content.v1 import content_pb2
from handshaker_proto.keys.v1 import keys_pb2
from protocol.parties import NOW, Device

from .target import Target
from .targets_people import IDENTITY, certificate, device_list

ENVELOPE_ERRORS = (MalformedFrame, UnsupportedVersion, UndecryptableMessage, MalformedDevice, BadKey, BadSignature)
RATCHET_ERRORS = (MalformedFrame, BadKey, UndecryptableMessage, DuplicateMessage, TooManySkipped, PaddingError)


@cache
def alice() -> Device:
    return Device.create(0)


@cache
def bob() -> Device:
    return Device.create(1)


@cache
def conversation() -> tuple[SessionState, SessionState, tuple[bytes, ...], tuple[bytes, ...]]:
    """Alice's session, Bob's one, frames for Bob, and ratchet messages of Alice that Bob has not seen."""
    a, _ = sessions.initiate(alice().local, bob().verified_bundle(), now=NOW)
    a, first = sessions.encrypt(a, b"first", now=NOW)
    accepted = sessions.accept(bob().local, bob(), sessions.open_frame(bob().local, first), now=NOW)
    b, answer = sessions.encrypt(accepted.session, b"answer", now=NOW)
    a, _ = sessions.decrypt(a, sessions.open_frame(alice().local, answer), now=NOW)
    frames, messages = [first], []
    for number in range(3):
        a, envelope, _ = sessions.compose(a, b"later", now=NOW + number)
        messages.append(envelope.message)
    a, last = sessions.encrypt(a, b"last", now=NOW)
    return a, b, (*frames, last), tuple(messages)


def opened() -> list[bytes]:
    """The insides of frames for Bob."""
    frames = conversation()[2]
    return [bob().keys.seal.open(Frame.decode(frame).sealed, _info(bob().key.public)) for frame in frames]


def seal(inside: bytes) -> bytes:
    """A correctly sealed frame with whatever inside, cut or filled to the size that a frame has room for."""
    rooms = [size - 1 - SEAL_OVERHEAD for size in FrameSize]
    room = next((room for room in rooms if len(inside) <= room), rooms[-1])
    sealed = bob().keys.seal.public.seal(inside.ljust(room, b"\x00")[:room], _info(bob().key.public))
    return Frame(sealed).encode()


def first_message(data: bytes) -> Any:
    """What Bob does with an initial envelope of a stranger."""
    envelope = Envelope.open(seal(data), bob().local.seal_keys, bob().key.public)
    return sessions.accept(bob().local, bob(), envelope, now=NOW)


def ratchet_message(data: bytes) -> Any:
    """What Bob does with a message inside an envelope of Alice."""
    session = conversation()[1]
    return sessions.decrypt(session, Envelope(alice().certificate, None, data), now=NOW)


def bundle(data: bytes) -> Any:
    """What Alice does with a bundle that a server hands out."""
    read = read_bundle(_parse(data, keys_pb2.FetchedBundle))
    return verify_bundle(read, bob().identity.public, bob().certificate.bundle_id)


def bundles() -> list[bytes]:
    device = bob()
    base = keys_pb2.BundleBase(
        suite=keys_pb2.SUITE_HANDSHAKER_V1,
        identity_key=device.identity.public.raw,
        device_certificate=device.certificate.encode(),
        seal_key=device.keys.seal.public.raw,
        seal_key_signature=device.keys.seal_signature,
    )
    for name, key in (
        ("signed_prekey", device.keys.signed_prekey),
        ("last_resort_kem_prekey", device.keys.last_resort),
    ):
        message = getattr(base, name)
        message.key_id, message.signature = key.key_id, key.signature
        message.public_key = key.public.public if name.startswith("last") else key.pair.public.raw
    fetched = keys_pb2.FetchedBundle(base=base)
    without = fetched.SerializeToString()
    fetched.one_time_prekey.key_id, fetched.one_time_prekey.public_key = 1, device.ec[1].private.public().raw
    kem = device.kem[1]
    fetched.kem_prekey.key_id, fetched.kem_prekey.public_key = kem.key_id, kem.public.public
    fetched.kem_prekey.signature = kem.signature
    return [without, fetched.SerializeToString()]


def contents() -> list[bytes]:
    """One of each kind that a contact sends."""
    about = {"message_id": bytes(16), "sent_at_ms": 1_800_000_000_000}
    profile, mailbox = {"display_name": "Bob"}, {"send_id": bytes(16), "send_secret": bytes(32)}
    bodies: list[dict[str, Any]] = [
        {"text": {"text": "hello"}},
        {"receipts": {"delivered": [bytes(16)], "read": [bytes(16)]}},
        {"connection_request": {"profile": profile, "reply_to": mailbox, "greeting": "hi"}},
        {"connection_accepted": {"profile": profile, "reply_to": mailbox}},
        {"connection_rejected": {}},
        {"device_update": {"device_list": device_list(2).encode(), "reply_to": mailbox}},
        {"sync": {"sent": {"identity": IDENTITY.public.raw, "message_id": bytes(16), "sent_at_ms": 1, "text": "hi"}}},
        {"sync": {"read": {"identity": IDENTITY.public.raw, "message_ids": [bytes(16)]}}},
    ]
    made = [content_pb2.Content(**about, **body) for body in bodies]
    for kind in content_pb2.Content.DESCRIPTOR.oneofs_by_name["body"].fields:  # and each kind with nothing in it
        made.append(content_pb2.Content(**about))
        getattr(made[-1], kind.name).SetInParent()
    return [content.SerializeToString() for content in made]


def issuer_keys() -> list[bytes]:
    """In the one form that a key of 2,048 bits has (RFC 9578, section 6.5)."""
    return [_BEFORE_MODULUS + b"\xff" * 256 + _AFTER_MODULUS]


def linked_accounts() -> list[bytes]:
    """What a primary hands to a new device."""
    mailbox = {"send_id": bytes(16), "send_secret": bytes(32)}
    package = content_pb2.LinkedAccount(
        device_id=bytes(16),
        certificate=certificate(1).encode(),
        device_list=device_list(2).encode(),
        profile={"display_name": "Alice", "username": "alice.42"},
        devices=[{"device_id": bytes(16), "mailbox": mailbox}],
    )
    return [package.SerializeToString()]


def of_messages(take: Callable[[bytes], bytes]) -> Callable[[], list[bytes]]:
    return lambda: [take(message) for message in conversation()[3]]


TARGETS = [
    Target(
        "frame",
        lambda data: sessions.open_frame(bob().local, data),
        ENVELOPE_ERRORS,
        (
            "protocol.session.open_frame",
            "protocol.sealed_sender.Envelope.open",
            "protocol.sealed_sender._unseal",
            "protocol.frame.Frame.decode",
            "protocol.seal.SealKeyPair.open",
        ),
        lambda: list(conversation()[2]),
    ),
    Target(
        "envelope",
        lambda data: Envelope.open(seal(data), bob().local.seal_keys, bob().key.public),
        ENVELOPE_ERRORS,
        ("protocol.sealed_sender.Envelope.open",),
        opened,
    ),
    Target(
        "first-message",
        first_message,
        (*ENVELOPE_ERRORS, *RATCHET_ERRORS, UnknownPreKey, ReplayedHandshake),
        ("protocol.session.accept",),
        lambda: opened()[:1],
    ),
    Target(
        "ratchet-message",
        ratchet_message,
        RATCHET_ERRORS,
        (
            "protocol.session.decrypt",
            "protocol.double_ratchet.parse",
            "protocol.profile.FixedHeader.split",
            "protocol.profile.Aes256Gcm.open",
        ),
        lambda: list(conversation()[3]),
    ),
    Target(
        "ratchet-framing",
        lambda data: double_ratchet.parse(HANDSHAKER_V1, data),
        (MalformedFrame, BadKey),
        ("protocol.double_ratchet.parse", "protocol.profile.FixedHeader.split"),
        lambda: list(conversation()[3]),
        lambda parsed: parsed.encoded_header + parsed.ciphertext,
    ),
    Target(
        "ratchet-header",
        lambda data: FixedHeader(len(data) - 40).encode_header(Header.decode(data)),
        (MalformedFrame, BadKey),
        ("protocol.header.Header.decode",),
        of_messages(lambda message: message[:194]),
        lambda encoded: encoded,
    ),
    Target(
        "pq-header",
        PqHeader.decode,
        (MalformedFrame,),
        ("protocol.pq_chunks.PqHeader.decode",),
        of_messages(lambda message: message[40:194]),
        PqHeader.encode,
    ),
    Target(
        "opening",
        Opening.decode,
        (MalformedFrame, BadKey),
        ("protocol.sealed_sender.Opening.decode",),
        lambda: [opened()[0][170 : 170 + 1614 + 1216]],
        Opening.encode,
    ),
    Target(
        "handshake",
        Handshake.decode,
        (MalformedFrame, BadKey),
        ("protocol.pqxdh.Handshake.decode",),
        lambda: [opened()[0][170 : 170 + 1614]],
        Handshake.encode,
    ),
    Target(
        "bundle",
        bundle,
        (BadKey, MalformedDevice, BadSignature, UnsupportedVersion, WrongIdentity, WrongDevice, ServerTrouble),
        ("client.prekeys.read_bundle", "protocol.bundle.verify_bundle"),
        bundles,
    ),
    Target(
        "content",
        Content.decode,
        (ProtocolError,),
        (
            "client.content.Content.decode",
            "client.content._read_body",
            "client.content._read_control",
            "client.content._read_mailbox",
            "client.content._read_profile",
            "client.device_content._read_person",
            "client.device_content._read_sync",
            "client.device_content._read_update",
            "client.device_content.read_address",
            "client.device_content.read_device_content",
            "client.device_content.read_list",
            "client.device_content.read_mailbox",
        ),
        contents,
    ),
    Target(
        "linked-account",
        LinkedAccount.decode,
        (ProtocolError,),
        ("client.device_content.LinkedAccount.decode",),
        linked_accounts,
    ),
    Target(
        "token-issuer-key",
        IssuerKey.parse,
        (BadKey,),
        ("protocol.blind_tokens.IssuerKey.parse",),
        issuer_keys,
        lambda key: key.encoded,
    ),
]
