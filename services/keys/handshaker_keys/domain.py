"""The rules of keys: what a bundle holds, how big its parts are, how many there may be, and how usernames are kept.

The server checks sizes and owners, nothing else: whether keys and signatures are good only clients can judge, and
their protocols differ. What a suite is made of stands in one table.
"""

import enum
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NewType

BundleId = NewType("BundleId", bytes)
"""16 random bytes, made by the owner; says nothing about the account."""

LookupHash = NewType("LookupHash", bytes)
"""First output of Argon2id over the username, 32 bytes, made by clients."""

LookupKey = NewType("LookupKey", bytes)
"""HMAC-SHA-256(pepper, lookup hash), 32 bytes: what a username is stored under."""

SealedAddress = NewType("SealedAddress", bytes)
"""A contact address that only those who know the username can open, 512 bytes."""

OpenPgpCertificate = NewType("OpenPgpCertificate", bytes)
"""A transferable public key, at most 8 KiB. It proves itself to clients; the server does not look into it."""

Pepper = NewType("Pepper", bytes)
"""Key of the directory, at least 32 bytes, kept outside the database: who steals one lacks the other."""

BUNDLES_PER_ACCOUNT = 8
ONE_TIME_PREKEYS_PER_BUNDLE = 200
KEM_PREKEYS_PER_BUNDLE = 100

IDENTITY_KEY_SIZE = 32
PREKEY_SIZE = 32
SIGNATURE_SIZE = 64
DEVICE_CERTIFICATE_SIZE = 169
SEALED_ADDRESS_SIZE = 512
LARGEST_KEY_ID = 2**32 - 1


class Suite(enum.IntEnum):
    """The protocol a bundle belongs to; the numbers are those of `handshaker.keys.v1.Suite`."""

    HANDSHAKER_V1 = 1


@dataclass(frozen=True)
class SuiteSizes:
    """Sizes of the parts that differ between suites, in bytes."""

    seal_key: int
    kem_prekey: int


SIZES = {
    # HPKE X25519+ML-KEM-768 (1,184 + 32) and ML-KEM-1024 (FIPS 203, table 3).
    Suite.HANDSHAKER_V1: SuiteSizes(seal_key=1_216, kem_prekey=1_568),
}


@dataclass(frozen=True)
class SignedPreKey:
    """A medium-term EC prekey, or a KEM prekey: an id, a public key, and a signature that clients check."""

    key_id: int
    public_key: bytes = field(repr=False)
    signature: bytes = field(repr=False)


@dataclass(frozen=True)
class OneTimePreKey:
    """An EC prekey that is handed out once."""

    key_id: int
    public_key: bytes = field(repr=False)


@dataclass(frozen=True)
class BundleBase:
    """What stands in a bundle until its owner replaces it."""

    suite: Suite
    identity_key: bytes = field(repr=False)
    seal_key: bytes = field(repr=False)
    seal_key_signature: bytes = field(repr=False)
    signed_prekey: SignedPreKey
    last_resort_kem_prekey: SignedPreKey
    device_certificate: bytes = field(repr=False)


@dataclass(frozen=True)
class FetchedBundle:
    """What a stranger gets: the base, and one one-time key of each kind while there are any."""

    base: BundleBase
    one_time_prekey: OneTimePreKey | None
    kem_prekey: SignedPreKey | None


@dataclass(frozen=True)
class PreKeyCounts:
    """How many one-time keys are left."""

    one_time_prekeys: int
    kem_prekeys: int

    @property
    def within_limits(self) -> bool:
        """Whether an owner may keep as many."""
        return self.one_time_prekeys <= ONE_TIME_PREKEYS_PER_BUNDLE and self.kem_prekeys <= KEM_PREKEYS_PER_BUNDLE


def lookup_key(pepper: Pepper, lookup_hash: LookupHash) -> LookupKey:
    """What the username with this hash is stored under. Guessing names needs the pepper, or a priced lookup each."""
    return LookupKey(hmac.digest(pepper, lookup_hash, "sha256"))


def problem_of_base(base: BundleBase) -> str | None:
    """What is wrong with the sizes of a base, as a sentence; None if nothing is."""
    sizes = SIZES[base.suite]
    parts = (
        ("identity_key", base.identity_key, IDENTITY_KEY_SIZE),
        ("seal_key", base.seal_key, sizes.seal_key),
        ("seal_key_signature", base.seal_key_signature, SIGNATURE_SIZE),
        ("signed_prekey.public_key", base.signed_prekey.public_key, PREKEY_SIZE),
        ("signed_prekey.signature", base.signed_prekey.signature, SIGNATURE_SIZE),
        ("last_resort_kem_prekey.public_key", base.last_resort_kem_prekey.public_key, sizes.kem_prekey),
        ("last_resort_kem_prekey.signature", base.last_resort_kem_prekey.signature, SIGNATURE_SIZE),
        ("device_certificate", base.device_certificate, DEVICE_CERTIFICATE_SIZE),
    )
    return _first_misfit(parts)


def problem_of_certificate(certificate: OpenPgpCertificate) -> str | None:
    """What is wrong with an OpenPGP certificate, as a sentence; None if nothing is. Its length has a limit already."""
    return None if certificate else "The field certificate is empty."


def problem_of_prekeys(
    suite: Suite, one_time_prekeys: Iterable[OneTimePreKey], kem_prekeys: Iterable[SignedPreKey]
) -> str | None:
    """What is wrong with the sizes of one-time keys for a bundle of this suite, as a sentence; None if nothing is."""
    sizes = SIZES[suite]
    ec = (("one_time_prekeys.public_key", key.public_key, PREKEY_SIZE) for key in one_time_prekeys)
    kem = (
        part
        for key in kem_prekeys
        for part in (
            ("kem_prekeys.public_key", key.public_key, sizes.kem_prekey),
            ("kem_prekeys.signature", key.signature, SIGNATURE_SIZE),
        )
    )
    return _first_misfit(ec) or _first_misfit(kem)


def _first_misfit(parts: Iterable[tuple[str, bytes, int]]) -> str | None:
    for name, value, size in parts:
        if len(value) != size:
            return f"The field {name} must have exactly {size} bytes in this suite, not {len(value)}."
    return None
