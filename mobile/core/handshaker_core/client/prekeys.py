"""Prekeys: published, refilled before they run out, and replaced on a schedule.

A private key is committed here before its public half is uploaded, so that no stranger can ever use a key that this
device does not hold. Uploads that were cut short are simply repeated; ids that the server has already change nothing.
"""

from handshaker_proto.keys.v1 import keys_pb2

from handshaker_core.client.core import Core, StepProgress, no_progress
from handshaker_core.client.events import PreKeysLow
from handshaker_core.client.tokens import Session
from handshaker_core.client.unit import Unit
from handshaker_core.protocol import bundle as protocol
from handshaker_core.protocol.bundle import OneTimeKeys, PreKeyBundle
from handshaker_core.protocol.keys import X25519PublicKey
from handshaker_core.protocol.prekeys import (
    KemPreKeyPublic,
    LastResortKemPreKey,
    OneTimePreKeyPublic,
    SignedPreKey,
    SignedPreKeyPublic,
)
from handshaker_core.protocol.seal import SealPublicKey
from handshaker_core.protocol.sealed_sender import verified_certificate
from handshaker_core.store import accounts, prekeys
from handshaker_core.store.accounts import AccountKeys

FULL = 100
LOW = 50
UPLOAD_PIECE = 25
"""So many keys of each kind stay well below the 64 KiB that a request may have."""

ROTATE_AFTER_SECONDS = 7 * 86_400.0
GRACE_SECONDS = 30 * 86_400.0


def add_long_lived(u: Unit) -> None:
    """Make new signed and last-resort prekeys the current ones, to be published."""
    first = accounts.take_prekey_ids(u.c, 2)
    signed = SignedPreKey.generate(u.keys.device_identity, first, u.rng)
    last_resort = LastResortKemPreKey.generate(u.keys.device_identity, first + 1, u.rng)
    prekeys.replace_long_lived(u.c, signed, last_resort, u.now)
    accounts.set_bundle_published(u.c, False)


def make_due(u: Unit) -> None:
    """Make the first keys; replace long-lived ones that are a week old; forget those that were replaced a month ago."""
    made_at = prekeys.long_lived_since(u.c)
    if made_at is None:
        add_long_lived(u)
        add_one_time(u, FULL)
    elif made_at + ROTATE_AFTER_SECONDS < u.now:
        add_long_lived(u)
    prekeys.forget_replaced(u.c, u.now - GRACE_SECONDS)


def add_one_time(u: Unit, count: int) -> None:
    """Make `count` one-time keys of each kind, to be uploaded."""
    start = accounts.take_prekey_ids(u.c, count)
    prekeys.add_one_time(u.c, protocol.generate_one_time(u.keys.device_identity, count, start, u.rng), u.now)


async def publish(core: Core, session: Session) -> None:
    """Publish what the bundle always holds, if the server does not have the current one."""

    def unpublished(u: Unit) -> keys_pb2.BundleBase | None:
        account = accounts.get(u.c)
        if account is None or account.bundle_published:
            return None
        signed, last_resort = prekeys.current_long_lived(u.c)
        return base_of(u.keys, signed, last_resort)

    base = await core.run(unpublished)
    if base is not None:
        await session.call(lambda token: core.api.publish_bundle(token, core.keys.bundle_id, base))
        await core.run(lambda u: accounts.set_bundle_published(u.c, True))


async def upload(core: Core, session: Session, progress: StepProgress = no_progress) -> None:
    """Upload one-time keys that the server does not have, piece by piece."""
    uploaded = 0
    while True:
        keys = await core.run(lambda u: prekeys.waiting(u.c, UPLOAD_PIECE))
        if not keys.ec and not keys.kem:
            return
        await _upload_piece(core, session, keys)
        uploaded += len(keys.kem)
        progress("prekeys", uploaded / FULL)


async def _upload_piece(core: Core, session: Session, keys: OneTimeKeys) -> None:
    one_time = [keys_pb2.OneTimePreKey(key_id=key.key_id, public_key=key.public.public.raw) for key in keys.ec]
    kem = [_kem_message(key.public) for key in keys.kem]
    await session.call(lambda token: core.api.upload_prekeys(token, core.keys.bundle_id, one_time, kem))
    await core.run(lambda u: prekeys.set_uploaded(u.c, keys))


async def refill(core: Core, session: Session) -> None:
    """Ask how many are left, and fill up when fewer than half are."""
    one_time, kem = await session.call(lambda token: core.api.prekey_counts(token, core.keys.bundle_id))
    if min(one_time, kem) >= LOW:
        return
    core.hub.publish([PreKeysLow(one_time, kem)])
    await core.run(lambda u: add_one_time(u, FULL - min(one_time, kem)))
    await upload(core, session)


def base_of(keys: AccountKeys, signed: SignedPreKey, last_resort: LastResortKemPreKey) -> keys_pb2.BundleBase:
    """The published part of these keys."""
    return keys_pb2.BundleBase(
        suite=keys_pb2.SUITE_HANDSHAKER_V1,
        identity_key=keys.identity_key.raw,
        device_certificate=keys.certificate.encode(),
        seal_key=keys.seal.public.raw,
        seal_key_signature=keys.seal_signature,
        signed_prekey=keys_pb2.SignedPreKey(
            key_id=signed.key_id, public_key=signed.pair.public.raw, signature=signed.signature
        ),
        last_resort_kem_prekey=_kem_message(last_resort.public),
    )


def read_bundle(fetched: keys_pb2.FetchedBundle) -> PreKeyBundle:
    """A fetched bundle as the protocol takes it; only its certificate is verified yet, for whomever it names.

    Raises:
        BadKey, LowOrderPoint, MalformedDevice: it is not well-formed.
        BadSignature: the certificate was not made by the identity that it names.
    """
    base = fetched.base
    has_kem = fetched.HasField("kem_prekey")
    kem = fetched.kem_prekey if has_kem else base.last_resort_kem_prekey
    one_time = None
    if fetched.HasField("one_time_prekey"):
        key = fetched.one_time_prekey
        one_time = OneTimePreKeyPublic(key.key_id, X25519PublicKey(key.public_key))
    return PreKeyBundle(
        suite=base.suite,
        certificate=verified_certificate(base.device_certificate),
        seal_key=SealPublicKey(base.seal_key),
        seal_key_signature=base.seal_key_signature,
        signed_prekey=SignedPreKeyPublic(
            base.signed_prekey.key_id, X25519PublicKey(base.signed_prekey.public_key), base.signed_prekey.signature
        ),
        one_time_prekey=one_time,
        kem_prekey=KemPreKeyPublic(kem.key_id, kem.public_key, kem.signature, last_resort=not has_kem),
        one_time_left=has_kem and one_time is not None,
    )


def _kem_message(key: KemPreKeyPublic) -> keys_pb2.KemPreKey:
    return keys_pb2.KemPreKey(key_id=key.key_id, public_key=key.public, signature=key.signature)
