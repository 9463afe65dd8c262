"""Making messages: encrypted and signed in one pass, in chunks, and detached signatures. No input and no output here.

The layout is the one that GnuPG 2.2 reads: session keys (one a recipient), then an encrypted packet of version 1 whose
integrity check ends it. Inside stand a one-pass signature, the content without name or date, and the signature.
"""

import hashlib
from collections.abc import Sequence

from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.ciphers import Cipher as BlockCipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from handshaker_core.openpgp.certificate import Certificate
from handshaker_core.openpgp.ecdh import SessionKey, encrypt_session_key
from handshaker_core.openpgp.errors import OpenPgpTooLarge
from handshaker_core.openpgp.keys import KEY_VERSION
from handshaker_core.openpgp.own import OwnKey
from handshaker_core.openpgp.packets import PacketWriter, Source
from handshaker_core.openpgp.registry import CHUNK, Cipher, Hash, SignatureType, SubpacketType, Tag
from handshaker_core.openpgp.signatures import OnePass, Subpacket, hasher, make_signature
from handshaker_core.protocol.randomness import Randomness
from handshaker_core.protocol.wire import u8

MAX_RECIPIENTS = 32
SEIPD_VERSION = 1
BLOCK_SIZE = 16
MDC_HEAD = b"\xd3\x14"
MDC_SIZE = len(MDC_HEAD) + 20
_BINARY_WITHOUT_NAME_OR_DATE = b"b" + bytes(1 + 4)


class Encryptor:
    """Encrypts to certificates what the own key signs. Call `update` for every piece of content, then `finish`.

    Args:
        recipients: 1 ... 32 certificates; who should read it later oneself, has to be among them.
        own: who signs. The recipients are named in the signature, so that it cannot be passed off as meant for others.
        now: seconds since 1970; it stands in the signature.
        rng: randomness.

    Raises:
        OpenPgpExpired, UnsupportedOpenPgp: a certificate cannot be encrypted to.
        OpenPgpTooLarge: too many recipients, or none.
    """

    def __init__(self, recipients: Sequence[Certificate], own: OwnKey, *, now: float, rng: Randomness) -> None:
        if not 1 <= len(recipients) <= MAX_RECIPIENTS:
            raise OpenPgpTooLarge(f"A file can be encrypted to 1 to {MAX_RECIPIENTS} people.")
        session = SessionKey(Cipher.AES256, rng(Cipher.AES256.key_size))
        keys = [certificate.encryption_key(now) for certificate in recipients]
        self._own = own
        self._now = int(now)
        self._statements = tuple(
            Subpacket(SubpacketType.INTENDED_RECIPIENT, u8(KEY_VERSION) + certificate.fingerprint)
            for certificate in recipients
        )
        self._cipher = BlockCipher(AES(session.key), CFB(bytes(BLOCK_SIZE))).encryptor()
        self._outer, self._inner = PacketWriter(Tag.SEIPD), PacketWriter(Tag.LITERAL)
        self._check, self._signed = hashlib.sha1(usedforsecurity=False), hasher(Hash.SHA512)
        self._written = b"".join(encrypt_session_key(session, key, rng) for key in keys)
        self._written += self._outer.update(u8(SEIPD_VERSION))
        prefix = rng(BLOCK_SIZE)
        self._encrypt(prefix + prefix[-2:] + OnePass(Hash.SHA512, own.public.key_id).encode())
        self._encrypt(self._inner.update(_BINARY_WITHOUT_NAME_OR_DATE))

    def update(self, content: bytes) -> bytes:
        """Add content. Returns: what can be written so far."""
        for start in range(0, len(content), CHUNK):
            piece = content[start : start + CHUNK]
            self._signed.update(piece)
            self._encrypt(self._inner.update(piece))
        return self._take()

    def finish(self) -> bytes:
        """End the message. Returns: the rest."""
        signature = make_signature(
            self._own, SignatureType.BINARY, self._signed, created_at=self._now, statements=self._statements
        )
        self._encrypt(self._inner.finish() + signature + MDC_HEAD)
        self._written += self._outer.update(self._cipher.update(self._check.digest()) + self._cipher.finalize())
        return self._take() + self._outer.finish()

    def _encrypt(self, plaintext: bytes) -> None:
        self._check.update(plaintext)
        self._written += self._outer.update(self._cipher.update(plaintext))

    def _take(self) -> bytes:
        written, self._written = self._written, b""
        return written


def sign_detached(content: Source, own: OwnKey, *, now: float) -> bytes:
    """A signature packet over all that the source holds."""
    digest = hasher(Hash.SHA512)
    while piece := content.read(CHUNK):
        digest.update(piece)
    return make_signature(own, SignatureType.BINARY, digest, created_at=int(now))
