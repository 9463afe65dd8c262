"""Targets: OpenPGP as it comes from keys servers, files and other programs."""

from functools import cache
from io import BytesIO

from handshaker_core.errors import WrongIdentity
from handshaker_core.openpgp import reading
from handshaker_core.openpgp.armor import ArmorType, armor
from handshaker_core.openpgp.binding import verify_binding
from handshaker_core.openpgp.certificate import Certificate
from handshaker_core.openpgp.errors import OpenPgpError
from handshaker_core.openpgp.own import OwnKey
from handshaker_core.openpgp.writing import Encryptor, sign_detached
from handshaker_core.protocol.root import RootSeed

from .target import Target

NOW = 1_900_000_000.0
CONTENT = b"content " * 20


@cache
def own() -> OwnKey:
    return OwnKey.derive(RootSeed(bytes(range(32))))


@cache
def certificate() -> Certificate:
    return own().certificate()


def message() -> bytes:
    encryptor = Encryptor([certificate()], own(), now=NOW, rng=bytes)
    return encryptor.update(CONTENT) + encryptor.finish()


def read(data: bytes) -> reading.Opened:
    return reading.read_message(BytesIO(data), lambda _: None, own(), lambda *_: certificate(), now=NOW)


def verify(data: bytes) -> object:
    return reading.verify_detached(BytesIO(CONTENT), data, lambda *_: certificate(), now=NOW)


TARGETS = [
    Target(
        "openpgp-certificate",
        lambda data: verify_binding(Certificate.decode(data)),
        (OpenPgpError, WrongIdentity),
        (
            "openpgp.certificate.Certificate.decode",
            "openpgp.armor._ArmorReader._decode",
            "openpgp.binding.verify_binding",
            "openpgp.keys.read_encryption_key",
            "openpgp.keys.read_mpi",
            "openpgp.keys.read_signing_key",
            "openpgp.signatures.Signature.decode",
            "client.openpgp.__init__.OpenPgp.import_certificate",
        ),
        lambda: [
            certificate().encoded,
            armor(ArmorType.PUBLIC_KEY, certificate().encoded).encode(),
            own().certificate("Alice").encoded,
        ],
    ),
    Target(
        "openpgp-message",
        read,
        (OpenPgpError,),
        (
            "openpgp.reading.read_message",
            "openpgp.ecdh.EncryptedSessionKey.decode",
            "openpgp.signatures.OnePass.decode",
        ),
        lambda: [message(), armor(ArmorType.MESSAGE, message()).encode()],
    ),
    Target(
        "openpgp-signature",
        verify,
        (OpenPgpError,),
        ("openpgp.reading.verify_detached",),
        lambda: [sign_detached(BytesIO(CONTENT), own(), now=NOW)],
    ),
]
