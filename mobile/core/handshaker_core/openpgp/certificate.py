"""Certificates, that is transferable public keys (RFC 9580, section 10.1), read strictly.

Only what the primary key itself has signed counts. Signatures by others are passed over, and so are subkeys and user
attributes of kinds that are not used here; a statement of the primary key that does not verify spoils the whole.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from typing import Self

from handshaker_core.openpgp.armor import dearmored_bytes
from handshaker_core.openpgp.errors import (
    CertificateRevoked,
    MalformedOpenPgp,
    OpenPgpExpired,
    SecretKeyGiven,
    UnsupportedOpenPgp,
)
from handshaker_core.openpgp.keys import (
    EncryptionPublicKey,
    Fingerprint,
    SigningPublicKey,
    read_encryption_key,
    read_signing_key,
)
from handshaker_core.openpgp.packets import PacketReader
from handshaker_core.openpgp.registry import (
    MAX_CERTIFICATE,
    KeyFlag,
    SignatureType,
    SubpacketType,
    Tag,
)
from handshaker_core.openpgp.signatures import Hasher, Notation, Signature, hasher
from handshaker_core.protocol.wire import u32

_CERTIFICATIONS = range(SignatureType.GENERIC_CERTIFICATION, SignatureType.POSITIVE_CERTIFICATION + 1)
_ENCRYPTION = KeyFlag.ENCRYPT_COMMUNICATIONS | KeyFlag.ENCRYPT_STORAGE


@dataclass(frozen=True, slots=True)
class Subkey:
    """A key to encrypt to, as the primary key has bound it; `expires_at` is None for never."""

    key: EncryptionPublicKey
    expires_at: int | None


@dataclass(frozen=True, slots=True)
class Certificate:
    """Somebody's keys and what they say about themselves. Made by `decode`: every statement in it is signed.

    Attributes:
        primary: what signs.
        subkeys: what is encrypted to, newest first; may be none.
        user_ids: names that the owner has chosen. They prove nothing.
        notations: what the owner's direct-key signature states.
        expires_at: seconds since 1970; None for never.
        encoded: the packets as they came, not armored.
    """

    primary: SigningPublicKey
    subkeys: tuple[Subkey, ...]
    user_ids: tuple[str, ...]
    notations: tuple[Notation, ...]
    expires_at: int | None
    encoded: bytes = field(repr=False)

    @property
    def fingerprint(self) -> Fingerprint:
        """20 bytes."""
        return self.primary.fingerprint

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read a certificate, armored or not.

        Raises:
            MalformedOpenPgp, OpenPgpTooLarge, UnsupportedOpenPgp, SecretKeyGiven: it is none, or none that can be used.
            BadOpenPgpSignature: it was altered.
            CertificateRevoked: its owner has taken it back.
        """
        encoded = dearmored_bytes(data, MAX_CERTIFICATE)
        parts = _parts(encoded)
        _, body, signatures = next(parts)
        primary = read_signing_key(body)
        own = _own(primary, signatures, primary.hashed)
        if any(each.type == SignatureType.KEY_REVOCATION for each in own):
            raise CertificateRevoked(primary.raw)
        direct = _newest(own, (SignatureType.DIRECT_KEY,))
        user_ids, subkeys, expiries = [], [], [_expiry(primary, direct)]
        for tag, body, signatures in parts:
            if tag == Tag.USER_ID and (certified := _certified(primary, body, signatures)) is not None:
                user_ids.append(_text(body))
                expiries.append(_expiry(primary, certified))
            elif tag == Tag.PUBLIC_SUBKEY:
                subkeys += _bound(primary, body, signatures)
        if not user_ids and direct is None:
            raise UnsupportedOpenPgp("The certificate says nothing about itself, so it cannot be used.")
        return cls(
            primary=primary,
            subkeys=tuple(sorted(subkeys, key=lambda subkey: -subkey.key.created_at)),
            user_ids=tuple(user_ids),
            notations=direct.notations if direct is not None else (),
            expires_at=min((time for time in expiries if time is not None), default=None),
            encoded=encoded,
        )

    def encryption_key(self, now: float) -> EncryptionPublicKey:
        """The key to encrypt to. Raises: OpenPgpExpired; UnsupportedOpenPgp: there is none."""
        self.check_time(now)
        valid = [subkey.key for subkey in self.subkeys if subkey.expires_at is None or now < subkey.expires_at]
        if valid:
            return valid[0]
        if self.subkeys:
            raise OpenPgpExpired
        raise UnsupportedOpenPgp("The certificate has no X25519 key to encrypt to.")

    def check_time(self, now: float) -> None:
        """Raises: OpenPgpExpired."""
        if self.expires_at is not None and now >= self.expires_at:
            raise OpenPgpExpired


def _certified(primary: SigningPublicKey, user_id: bytes, signatures: list[Signature]) -> Signature | None:
    """The primary key's word on a user id; None where it is none, or was taken back."""
    own = _own(primary, signatures, primary.hashed + b"\xb4" + u32(len(user_id)) + user_id)
    newest = _newest(own, (*_CERTIFICATIONS, SignatureType.CERTIFICATION_REVOCATION))
    return None if newest is None or newest.type == SignatureType.CERTIFICATION_REVOCATION else newest


def _text(user_id: bytes) -> str:
    try:
        return user_id.decode()
    except UnicodeDecodeError:
        raise MalformedOpenPgp from None


def _bound(primary: SigningPublicKey, body: bytes, signatures: list[Signature]) -> list[Subkey]:
    """The subkey, if it is one to encrypt to that the primary key has bound and not revoked."""
    try:
        key = read_encryption_key(body)
    except UnsupportedOpenPgp:
        return []
    own = _own(primary, signatures, primary.hashed + key.hashed)
    newest = _newest(own, (SignatureType.SUBKEY_BINDING,))
    revoked = any(each.type == SignatureType.SUBKEY_REVOCATION for each in own)
    return [] if newest is None or revoked or not newest.flags & _ENCRYPTION else [Subkey(key, _expiry(key, newest))]


def _parts(encoded: bytes) -> Iterator[tuple[int, bytes, list[Signature]]]:
    """The certificate's keys and user ids, each with the signatures that follow it; the primary key is the first."""
    reader = PacketReader(BytesIO(encoded))
    part: tuple[int, bytes, list[Signature]] | None = None
    while (packet := reader.next()) is not None:
        if packet.tag in (Tag.SECRET_KEY, Tag.SECRET_SUBKEY):
            raise SecretKeyGiven
        if (packet.tag == Tag.PUBLIC_KEY) != (part is None):
            raise MalformedOpenPgp("The file does not hold exactly one OpenPGP certificate.")
        body = packet.body.content()
        if packet.tag == Tag.SIGNATURE and part is not None:
            _collect(part[2], body)
        elif packet.tag in (Tag.PUBLIC_KEY, Tag.USER_ID, Tag.PUBLIC_SUBKEY, Tag.USER_ATTRIBUTE):
            if part is not None:
                yield part
            part = packet.tag, body, []
        elif packet.tag not in (Tag.TRUST, Tag.MARKER, Tag.PADDING):
            raise MalformedOpenPgp
    if part is None:
        raise MalformedOpenPgp
    yield part


def _collect(signatures: list[Signature], body: bytes) -> None:
    """Keep what an Ed25519 key may have signed; the primary key cannot have made any other."""
    with suppress(UnsupportedOpenPgp):
        signatures.append(Signature.decode(body))


def _own(primary: SigningPublicKey, signatures: list[Signature], content: bytes) -> list[Signature]:
    """Those that the primary key made. Raises: BadOpenPgpSignature: it did not make one that says so."""
    own = [signature for signature in signatures if signature.claims(primary)]
    for signature in own:
        signature.verify(primary, _hashed(signature, content))
    return own


def _hashed(signature: Signature, content: bytes) -> Hasher:
    started = hasher(signature.hash)
    started.update(content)
    return started


def _newest(signatures: list[Signature], types: tuple[int, ...]) -> Signature | None:
    """The one in force: of several the newest, of equally new ones the last."""
    fitting = [signature for signature in signatures if signature.type in types]
    return max(reversed(fitting), key=lambda signature: signature.created_at, default=None)


def _expiry(key: SigningPublicKey | EncryptionPublicKey, signature: Signature | None) -> int | None:
    after = signature.number(SubpacketType.KEY_EXPIRES) if signature is not None else None
    return key.created_at + after if after else None
