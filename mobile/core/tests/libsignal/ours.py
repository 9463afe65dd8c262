"""A person whose sessions with libsignal are kept by our code."""

import secrets
from dataclasses import dataclass, field, replace

from handshaker_core.errors import BadSignature
from handshaker_core.protocol import double_ratchet, pqxdh
from handshaker_core.protocol.double_ratchet import DoubleRatchetState
from handshaker_core.protocol.keys import DeviceIdentityKeyPair, RatchetKeyPair, X25519PublicKey
from handshaker_core.protocol.pqxdh import Agreement, Handshake, LastResortUse, Offer
from handshaker_core.protocol.prekeys import (
    KemPreKey,
    KemPreKeyPublic,
    KemSeed,
    LastResortKemPreKey,
    OneTimePreKey,
    OneTimePreKeyPublic,
    SignedPreKey,
    SignedPreKeyPublic,
)
from handshaker_core.protocol.profile import Parties
from handshaker_core.protocol.randomness import system_randomness
from peers.libsignal import Address, Bundle, Message

from libsignal import xeddsa
from libsignal.profile import KEM, LIBSIGNAL
from libsignal.spqr import PassiveSpqr
from libsignal.wire import KYBER_1024_TYPE, X25519_TYPE, PreKeyMessage

ORDINARY, WITH_HANDSHAKE = 2, 3
NOBODY = Parties(b"", b"")


def typed(key: X25519PublicKey) -> bytes:
    return bytes([X25519_TYPE]) + key.raw


@dataclass(frozen=True)
class Session:
    """One side of a session; like the ratchet's state it is never changed."""

    local: bytes
    peer: bytes
    ratchet: DoubleRatchetState
    spqr: PassiveSpqr
    handshake: Handshake | None = None
    registration: int = 1

    def encrypt(self, plaintext: bytes) -> tuple["Session", Message]:
        spqr, header, salt = self.spqr.send()
        ratchet, data, _ = double_ratchet.encrypt(
            LIBSIGNAL,
            self.ratchet,
            plaintext,
            self.local + self.peer,
            system_randomness,
            salt=salt,
            post_quantum=header,
        )
        session = replace(self, ratchet=ratchet, spqr=spqr)
        if self.handshake is None:
            return session, Message(ORDINARY, data)
        return session, Message(WITH_HANDSHAKE, self._with_handshake(self.handshake, data))

    def _with_handshake(self, handshake: Handshake, data: bytes) -> bytes:
        return PreKeyMessage(
            registration=self.registration,
            one_time_id=handshake.one_time_prekey_id,
            signed_id=handshake.signed_prekey_id,
            kem_id=handshake.kem_prekey_id,
            kem_ciphertext=bytes([KYBER_1024_TYPE]) + handshake.kem_ciphertext,
            base_key=typed(handshake.base_key),
            identity=self.local,
            message=data,
        ).encode()

    def decrypt(self, message: Message) -> tuple["Session", bytes]:
        """Raises what `double_ratchet.parse` and `double_ratchet.decrypt` raise."""
        data = message.data if message.type == ORDINARY else PreKeyMessage.decode(message.data).message
        parsed = double_ratchet.parse(LIBSIGNAL, data)
        spqr, salt = self.spqr.receive(parsed.header.post_quantum)
        associated = self.peer + self.local
        ratchet, plaintext, _ = double_ratchet.decrypt(LIBSIGNAL, self.ratchet, parsed, associated, salt=salt)
        return replace(self, ratchet=ratchet, spqr=spqr, handshake=None), plaintext


@dataclass
class Ours:
    """Keys of one device; satisfies `PreKeyLookup`."""

    address: Address
    device: DeviceIdentityKeyPair = field(default_factory=DeviceIdentityKeyPair.generate)
    signed: dict[int, SignedPreKey] = field(default_factory=dict)
    one_time: dict[int, OneTimePreKey] = field(default_factory=dict)
    kem: dict[int, KemPreKey] = field(default_factory=dict)

    @property
    def identity(self) -> bytes:
        """The X25519 half of the device's identity key, with its type byte."""
        return typed(self.device.public.x25519)

    def sign(self, content: bytes) -> bytes:
        return xeddsa.sign(self.device.seed, content)

    def bundle(self, *, one_time: bool = True) -> Bundle:
        """Fresh prekeys, as libsignal takes them; each key is signed with its type byte alone."""
        key_id = len(self.signed) + 1
        pair = RatchetKeyPair.generate(system_randomness)
        signed = SignedPreKey(key_id, pair, self.sign(typed(pair.public)))
        seed = secrets.token_bytes(64)
        kem_public = bytes([KYBER_1024_TYPE]) + KEM.key_pair(seed)[0]
        kem = KemPreKey(key_id, KemSeed(seed), self.sign(kem_public))
        self.signed[key_id], self.kem[key_id] = signed, kem
        if one_time:
            self.one_time[key_id] = OneTimePreKey.generate(key_id, system_randomness)
        return Bundle(
            registration=1,
            device=self.address.device,
            identity=self.identity,
            signed_id=key_id,
            signed=typed(pair.public),
            signed_signature=signed.signature,
            one_time_id=key_id if one_time else None,
            one_time=typed(self.one_time[key_id].public.public) if one_time else None,
            kem_id=key_id,
            kem=kem_public,
            kem_signature=kem.signature,
        )

    def start(self, bundle: Bundle) -> Session:
        """Begin a session with the owner of a bundle. Raises: BadSignature."""
        agreement, handshake = pqxdh.initiate(
            LIBSIGNAL, self.device.x25519_private, verified(bundle), NOBODY, system_randomness
        )
        ratchet = double_ratchet.initiate(LIBSIGNAL, agreement.secret, agreement.ratchet_key, system_randomness)
        spqr = PassiveSpqr.start(spqr_secret(agreement), initiator=True)
        return Session(self.identity, bundle.identity, ratchet, spqr, handshake)

    def accept(self, message: Message) -> tuple[Session, bytes]:
        """A session from libsignal's first message, whose one-time keys are then gone."""
        first = PreKeyMessage.decode(message.data)
        handshake = Handshake(
            suite=LIBSIGNAL.suite,
            base_key=X25519PublicKey(first.base_key[1:]),
            signed_prekey_id=first.signed_id,
            kem_prekey_id=first.kem_id,
            last_resort=False,
            one_time_prekey_id=first.one_time_id,
            kem_ciphertext=first.kem_ciphertext[1:],
        )
        peer = X25519PublicKey(first.identity[1:])
        response = pqxdh.respond(LIBSIGNAL, self.device.x25519_private, self, handshake, peer=peer, parties=NOBODY)
        ratchet = double_ratchet.respond(response.agreement.secret, response.ratchet_pair)
        spqr = PassiveSpqr.start(spqr_secret(response.agreement), initiator=False)
        session, plaintext = Session(self.identity, first.identity, ratchet, spqr).decrypt(message)
        if response.consumed.one_time_prekey_id is not None:
            del self.one_time[response.consumed.one_time_prekey_id]
        del self.kem[handshake.kem_prekey_id]
        return session, plaintext

    def signed_prekey(self, key_id: int) -> SignedPreKey | None:
        return self.signed.get(key_id)

    def one_time_prekey(self, key_id: int) -> OneTimePreKey | None:
        return self.one_time.get(key_id)

    def kem_prekey(self, key_id: int) -> KemPreKey | None:
        return self.kem.get(key_id)

    def last_resort_prekey(self, key_id: int) -> LastResortKemPreKey | None:
        return None

    def last_resort_used(self, use: LastResortUse) -> bool:
        return False


def spqr_secret(agreement: Agreement) -> bytes:
    """libsignal's PQXDH yields root key, chain key (which is never used) and the key of SPQR."""
    return agreement.further_secret[32:]


def verified(bundle: Bundle) -> Offer:
    """libsignal's bundle after both signatures were checked. Raises: BadSignature."""
    identity = X25519PublicKey(bundle.identity[1:])
    for key, signature in ((bundle.signed, bundle.signed_signature), (bundle.kem, bundle.kem_signature)):
        if not xeddsa.verify(identity.raw, key, signature):
            raise BadSignature
    one_time = None
    if bundle.one_time_id is not None and bundle.one_time is not None:
        one_time = OneTimePreKeyPublic(bundle.one_time_id, X25519PublicKey(bundle.one_time[1:]))
    return Offer(
        identity_key=identity,
        signed_prekey=SignedPreKeyPublic(bundle.signed_id, X25519PublicKey(bundle.signed[1:]), bundle.signed_signature),
        one_time_prekey=one_time,
        kem_prekey=KemPreKeyPublic(bundle.kem_id, bundle.kem[1:], bundle.kem_signature, last_resort=False),
    )
