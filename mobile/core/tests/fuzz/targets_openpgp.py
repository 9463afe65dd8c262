"""Targets: OpenPGP certificates, messages and signatures, which people get from anywhere."""

from contextlib import suppress
from io import BytesIO

from handshaker_core.errors import ProtocolError
from handshaker_core.openpgp.armor import ArmorType, armor
from handshaker_core.openpgp.binding import verify_binding
from handshaker_core.openpgp.certificate import Certificate
from handshaker_core.openpgp.ecdh import EncryptedSessionKey
from handshaker_core.openpgp.errors import OpenPgpError
from handshaker_core.openpgp.own import OwnKey
from handshaker_core.openpgp.packets import packet
from handshaker_core.openpgp.reading import read_message, verify_detached
from handshaker_core.openpgp.registry import Hash, Tag
from handshaker_core.openpgp.signatures import OnePass
from handshaker_core.openpgp.writing import Encryptor, sign_detached
from handshaker_core.protocol.root import RootSeed

from .target import Target

NOW = 1_800_000_000.0


def _own() -> OwnKey:
    return OwnKey.derive(RootSeed(bytes(range(32))))


def _certificate(data: bytes) -> Certificate:
    certificate = Certificate.decode(data)
    with suppress(ProtocolError):
        verify_binding(certificate)
    return certificate


def _message(data: bytes) -> int:
    own = _own()
    certificate = own.certificate()
    return read_message(BytesIO(data), lambda _: None, own, lambda _: certificate, now=NOW).size


def _detached(data: bytes) -> None:
    certificate = _own().certificate()
    verify_detached(BytesIO(b"content"), data, lambda _: certificate, now=NOW)


def _certificates() -> list[bytes]:
    encoded = _own().certificate().encoded
    return [encoded, armor(ArmorType.PUBLIC_KEY, encoded).encode(), _own().certificate("Alice").encoded]


def _messages() -> list[bytes]:
    own = _own()
    rng = bytes  # the same seeds in every process; nothing here is a secret
    encryptor = Encryptor([own.certificate()], own, now=NOW, rng=lambda size: b"\1" + rng(size - 1))
    whole = encryptor.update(b"content") + encryptor.finish()
    literal = packet(Tag.LITERAL, b"b" + bytes(5) + b"content")
    plain = OnePass(Hash.SHA512, own.public.key_id).encode() + literal + _signatures()[0]
    return [whole, armor(ArmorType.MESSAGE, whole).encode(), literal, plain]


def _signatures() -> list[bytes]:
    made = sign_detached(BytesIO(b"content"), _own(), now=NOW)
    return [made, armor(ArmorType.SIGNATURE, made).encode()]


TARGETS = [
    Target(
        "openpgp_certificate",
        _certificate,
        (OpenPgpError,),
        (
            "openpgp.certificate.Certificate.decode",
            "openpgp.keys.read_signing_key",
            "openpgp.keys.read_encryption_key",
            "openpgp.keys.read_mpi",
        ),
        _certificates,
    ),
    Target(
        "openpgp_message",
        _message,
        (OpenPgpError,),
        ("openpgp.reading.read_message", "openpgp.signatures.OnePass.decode"),
        _messages,
    ),
    Target(
        "openpgp_signature",
        _detached,
        (OpenPgpError,),
        ("openpgp.reading.verify_detached", "openpgp.signatures.Signature.decode"),
        _signatures,
    ),
    Target(
        "openpgp_session_key",
        EncryptedSessionKey.decode,
        (OpenPgpError,),
        ("openpgp.ecdh.EncryptedSessionKey.decode",),
        lambda: [_messages()[0][2:96]],
    ),
]
