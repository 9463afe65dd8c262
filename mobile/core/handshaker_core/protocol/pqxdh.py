"""PQXDH: key agreement with somebody who is offline (Signal, PQXDH revision 3).

The initiator combines its keys with a verified bundle; the responder repeats it from the handshake that the first
messages carry. Private prekeys come from a lookup object and are never changed here: the result says which were used,
and the caller deletes them in the transaction that stores the session.
"""

from dataclasses import dataclass, field
from typing import Protocol, Self

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from handshaker_core.errors import MalformedFrame, ReplayedHandshake, UnknownPreKey, UnsupportedVersion
from handshaker_core.protocol.curve25519 import KEY_SIZE
from handshaker_core.protocol.keys import (
    RatchetKeyPair,
    SharedSecret,
    X25519PrivateKey,
    X25519PublicKey,
)
from handshaker_core.protocol.prekeys import (
    KEM_CIPHERTEXT_SIZE,
    KemPreKey,
    KemPreKeyPublic,
    LastResortKemPreKey,
    OneTimePreKey,
    OneTimePreKeyPublic,
    SignedPreKey,
    SignedPreKeyPublic,
)
from handshaker_core.protocol.profile import Parties, Profile
from handshaker_core.protocol.randomness import Randomness
from handshaker_core.protocol.wire import Reader, u8, u32

HANDSHAKE_SIZE = 1 + KEY_SIZE + 4 + 4 + 1 + 4 + KEM_CIPHERTEXT_SIZE

# Stands before the DH outputs so that the input can never be mistaken for that of a signature (X3DH, section 2.2).
_DOMAIN_PREFIX = b"\xff" * 32


@dataclass(frozen=True, slots=True)
class Handshake:
    """What the responder needs, beside the initiator's identity key, to repeat the agreement.

    It travels sealed, before every message until the first answer.
    """

    suite: int
    base_key: X25519PublicKey
    signed_prekey_id: int
    kem_prekey_id: int
    last_resort: bool
    one_time_prekey_id: int | None
    kem_ciphertext: bytes

    def encode(self) -> bytes:
        """Fixed layout of 1,614 bytes; see docs/protocol/pqxdh.md."""
        return b"".join(
            (
                u8(self.suite),
                self.base_key.raw,
                u32(self.signed_prekey_id),
                u32(self.kem_prekey_id),
                u8(self.last_resort),
                u32(self.one_time_prekey_id or 0),
                self.kem_ciphertext,
            )
        )

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises: MalformedFrame, BadKey, LowOrderPoint."""
        reader = Reader(data, MalformedFrame)
        handshake = cls(
            suite=reader.u8(),
            base_key=X25519PublicKey(reader.take(KEY_SIZE)),
            signed_prekey_id=reader.u32(),
            kem_prekey_id=reader.u32(),
            last_resort=reader.flag(),
            one_time_prekey_id=reader.u32() or None,
            kem_ciphertext=reader.take(KEM_CIPHERTEXT_SIZE),
        )
        reader.end()
        return handshake


@dataclass(frozen=True, slots=True)
class LastResortUse:
    """What is remembered of every handshake accepted on a last-resort key, for as long as that key is kept."""

    kem_prekey_id: int
    signed_prekey_id: int
    base_key: bytes


@dataclass(frozen=True, slots=True)
class ConsumedPreKeys:
    """What the caller must commit together with the new session: delete the named one-time keys, remember the use."""

    one_time_prekey_id: int | None
    kem_prekey_id: int | None
    last_resort_use: LastResortUse | None


class PreKeyLookup(Protocol):
    """Read access to the device's private prekeys and to its memory of last-resort uses."""

    def signed_prekey(self, key_id: int) -> SignedPreKey | None:
        """The current signed prekey, or one whose time of grace is not over."""

    def one_time_prekey(self, key_id: int) -> OneTimePreKey | None:
        """An unused one-time X25519 prekey."""

    def kem_prekey(self, key_id: int) -> KemPreKey | None:
        """An unused one-time ML-KEM prekey."""

    def last_resort_prekey(self, key_id: int) -> LastResortKemPreKey | None:
        """The current last-resort prekey, or one whose time of grace is not over."""

    def last_resort_used(self, use: LastResortUse) -> bool:
        """Whether this very use was committed before."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """The result on either side.

    Attributes:
        secret: SK, the first root key.
        associated_data: AD, authenticated with every message of the session.
        ratchet_key: the responder's signed prekey, which is its first ratchet key.
        further_secret: as many bytes as the profile derives beyond SK.
    """

    secret: SharedSecret
    associated_data: bytes
    ratchet_key: X25519PublicKey
    further_secret: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Response:
    """The responder's result: the agreement, its first ratchet key pair, and what was used up."""

    agreement: Agreement
    ratchet_pair: RatchetKeyPair
    consumed: ConsumedPreKeys


@dataclass(frozen=True, slots=True)
class Offer:
    """What the responder published and the caller has verified.

    Attributes:
        identity_key: the X25519 half of IK_B.
    """

    identity_key: X25519PublicKey
    signed_prekey: SignedPreKeyPublic
    one_time_prekey: OneTimePreKeyPublic | None
    kem_prekey: KemPreKeyPublic


def initiate(
    profile: Profile, identity: X25519PrivateKey, offer: Offer, parties: Parties, rng: Randomness
) -> tuple[Agreement, Handshake]:
    """The initiator's side, section 3.3.

    Args:
        profile: algorithms and formats.
        identity: the X25519 half of IK_A.
        offer: the responder's keys, verified.
        parties: what the session is bound to.
        rng: for the base key.

    Raises:
        LowOrderPoint: a one-time prekey (which nobody signs) is of low order.
    """
    base = RatchetKeyPair.generate(rng)
    signed, one_time, kem = offer.signed_prekey, offer.one_time_prekey, offer.kem_prekey
    agreements = [
        identity.agree(signed.public),
        base.private.agree(offer.identity_key),
        base.private.agree(signed.public),
    ]
    if one_time is not None:
        agreements.append(base.private.agree(one_time.public))
    kem_secret, kem_ciphertext = profile.kem.encapsulate(kem.public)
    associated = profile.binding.associated_data(profile.suite, parties, kem.key_type, kem.public)
    handshake = Handshake(
        suite=profile.suite,
        base_key=base.public,
        signed_prekey_id=signed.key_id,
        kem_prekey_id=kem.key_id,
        last_resort=kem.last_resort,
        one_time_prekey_id=None if one_time is None else one_time.key_id,
        kem_ciphertext=kem_ciphertext,
    )
    secret, further = _derive(profile, agreements, kem_secret)
    return Agreement(secret, associated, signed.public, further), handshake


def respond(
    profile: Profile,
    identity: X25519PrivateKey,
    prekeys: PreKeyLookup,
    handshake: Handshake,
    *,
    peer: X25519PublicKey,
    parties: Parties,
) -> Response:
    """The responder's side, section 3.4. Success proves nothing yet: the first message has to decrypt as well.

    Args:
        profile: algorithms and formats.
        identity: the X25519 half of IK_B.
        prekeys: private prekeys.
        handshake: what the initiator sent.
        peer: the X25519 half of IK_A, as it claims.
        parties: what the session is bound to.

    Raises:
        UnsupportedVersion: the handshake is of another suite.
        UnknownPreKey: it names a prekey that is not, or no longer, here.
        ReplayedHandshake: it repeats a handshake that was accepted on the last-resort key.
    """
    if handshake.suite != profile.suite:
        raise UnsupportedVersion
    signed = prekeys.signed_prekey(handshake.signed_prekey_id)
    if signed is None:
        raise UnknownPreKey
    kem, last_resort_use = _find_kem_prekey(prekeys, handshake)
    agreements = [
        signed.pair.private.agree(peer),
        identity.agree(handshake.base_key),
        signed.pair.private.agree(handshake.base_key),
    ]
    if handshake.one_time_prekey_id is not None:
        one_time = prekeys.one_time_prekey(handshake.one_time_prekey_id)
        if one_time is None:
            raise UnknownPreKey
        agreements.append(one_time.private.agree(handshake.base_key))
    kem_secret = profile.kem.decapsulate(kem.seed.raw, handshake.kem_ciphertext)
    associated = profile.binding.associated_data(profile.suite, parties, kem.KEY_TYPE, kem.public_bytes)
    secret, further = _derive(profile, agreements, kem_secret)
    return Response(
        agreement=Agreement(secret, associated, signed.pair.public, further),
        ratchet_pair=signed.pair,
        consumed=ConsumedPreKeys(
            one_time_prekey_id=handshake.one_time_prekey_id,
            kem_prekey_id=None if handshake.last_resort else handshake.kem_prekey_id,
            last_resort_use=last_resort_use,
        ),
    )


def _find_kem_prekey(
    prekeys: PreKeyLookup, handshake: Handshake
) -> tuple[KemPreKey | LastResortKemPreKey, LastResortUse | None]:
    use: LastResortUse | None = None
    kem: KemPreKey | LastResortKemPreKey | None
    if handshake.last_resort:
        use = LastResortUse(handshake.kem_prekey_id, handshake.signed_prekey_id, handshake.base_key.raw)
        if prekeys.last_resort_used(use):
            raise ReplayedHandshake
        kem = prekeys.last_resort_prekey(handshake.kem_prekey_id)
    else:
        kem = prekeys.kem_prekey(handshake.kem_prekey_id)
    if kem is None:
        raise UnknownPreKey
    return kem, use


def _derive(profile: Profile, agreements: list[bytes], kem_secret: bytes) -> tuple[SharedSecret, bytes]:
    """SK = HKDF-SHA256(salt 0^32, FF^32 || DH1 || DH2 || DH3 [|| DH4] || SS, info), section 2.2, and what follows it."""
    material = _DOMAIN_PREFIX + b"".join(agreements) + kem_secret
    size = SharedSecret.SIZE + profile.further_secret_size
    output = HKDF(SHA256(), size, None, profile.pqxdh_info).derive(material)
    return SharedSecret(output[: SharedSecret.SIZE]), output[SharedSecret.SIZE :]
