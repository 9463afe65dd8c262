"""Key agreement, sealed envelopes, and a conversation with messages that are lost for a while; the live session's keys."""

from dataclasses import dataclass, field

from handshaker_core.protocol import live, pqxdh
from handshaker_core.protocol import session as sessions
from handshaker_core.protocol.address import BundleId
from handshaker_core.protocol.bundle import PreKeyBundle, Suite, generate_device_keys, generate_one_time, verify_bundle
from handshaker_core.protocol.device import DeviceCertificate, DeviceId
from handshaker_core.protocol.keys import DeviceIdentityKeyPair, ExportedSecret, IdentityKeyPair
from handshaker_core.protocol.labels import Label
from handshaker_core.protocol.party import parties
from handshaker_core.protocol.pqxdh import LastResortUse
from handshaker_core.protocol.prekeys import KemPreKey, LastResortKemPreKey, OneTimePreKey, SignedPreKey
from handshaker_core.protocol.profile import HANDSHAKER_V1

from generator.fixed import Json, Stream, fixed, must

NOW = 1_800_000_000


@dataclass
class Device:
    """A device with one prekey of each kind; satisfies `PreKeyLookup`."""

    name: str
    identity: IdentityKeyPair = field(init=False)
    key: DeviceIdentityKeyPair = field(init=False)
    certificate: DeviceCertificate = field(init=False)

    def __post_init__(self) -> None:
        self.identity = IdentityKeyPair(fixed(f"{self.name} identity"))
        self.key = DeviceIdentityKeyPair(fixed(f"{self.name} device"))
        self.certificate = DeviceCertificate.issue(
            self.identity,
            device_id=DeviceId(fixed(f"{self.name} device id", 16)),
            device_key=self.key.public,
            bundle_id=BundleId(fixed(f"{self.name} bundle id", 16)),
            issued_at=NOW,
        )
        rng = Stream(f"{self.name} prekeys")
        self.keys = generate_device_keys(self.key, signed_prekey_id=7, last_resort_id=9, rng=rng)
        batch = generate_one_time(self.key, 1, 1, rng)
        self.ec, self.kem = batch.ec[0], batch.kem[0]

    @property
    def local(self) -> sessions.LocalDevice:
        """As sessions take it."""
        return sessions.LocalDevice(self.key, self.certificate, (self.keys.seal,))

    def bundle(self, *, one_time: bool) -> PreKeyBundle:
        """With the one-time keys, or with none of them."""
        return PreKeyBundle(
            suite=Suite.HANDSHAKER_V1,
            certificate=self.certificate,
            seal_key=self.keys.seal.public,
            seal_key_signature=self.keys.seal_signature,
            signed_prekey=self.keys.signed_prekey.public,
            one_time_prekey=self.ec.public if one_time else None,
            kem_prekey=(self.kem if one_time else self.keys.last_resort).public,
            one_time_left=False,
        )

    def signed_prekey(self, key_id: int) -> SignedPreKey | None:
        """See `PreKeyLookup`."""
        return self.keys.signed_prekey if key_id == self.keys.signed_prekey.key_id else None

    def one_time_prekey(self, key_id: int) -> OneTimePreKey | None:
        """See `PreKeyLookup`."""
        return self.ec if key_id == self.ec.key_id else None

    def kem_prekey(self, key_id: int) -> KemPreKey | None:
        """See `PreKeyLookup`."""
        return self.kem if key_id == self.kem.key_id else None

    def last_resort_prekey(self, key_id: int) -> LastResortKemPreKey | None:
        """See `PreKeyLookup`."""
        return self.keys.last_resort if key_id == self.keys.last_resort.key_id else None

    def last_resort_used(self, use: LastResortUse) -> bool:
        """See `PreKeyLookup`."""
        del use
        return False

    def describe(self) -> Json:
        """Everything about the device, private keys first of all."""
        signed, last_resort = self.keys.signed_prekey, self.keys.last_resort
        return {
            "identity_seed": self.identity.seed.hex(),
            "device_key_seed": self.key.seed.hex(),
            "certificate": self.certificate.encode().hex(),
            "seal_private": self.keys.seal.private.raw.hex(),
            "seal_public": self.keys.seal.public.raw.hex(),
            "seal_signature": self.keys.seal_signature.hex(),
            "signed_prekey_id": signed.key_id,
            "signed_prekey_private": signed.pair.private.raw.hex(),
            "signed_prekey_signature": signed.signature.hex(),
            "one_time_prekey_id": self.ec.key_id,
            "one_time_prekey_private": self.ec.private.raw.hex(),
            "kem_prekey_id": self.kem.key_id,
            "kem_prekey_seed": self.kem.seed.raw.hex(),
            "kem_prekey_signature": self.kem.signature.hex(),
            "last_resort_id": last_resort.key_id,
            "last_resort_seed": last_resort.seed.raw.hex(),
            "last_resort_signature": last_resort.signature.hex(),
        }


def agreement() -> Json:
    """PQXDH with and without one-time keys."""
    initiator, responder = Device("initiator"), Device("responder")
    cases = []
    for one_time in (True, False):
        rng = Stream(f"agreement {one_time}")
        bundle = responder.bundle(one_time=one_time)
        verified = verify_bundle(bundle, responder.identity.public, responder.certificate.bundle_id)
        session, handshake = sessions.initiate(initiator.local, verified, now=NOW, rng=rng)
        taken = rng.drain()
        response = pqxdh.respond(
            HANDSHAKER_V1,
            responder.key.x25519_private,
            responder,
            handshake,
            peer=initiator.key.public.x25519,
            parties=parties(initiator.certificate, initiator.keys.seal.public, responder.certificate),
        )
        kem = responder.kem if one_time else responder.keys.last_resort
        cases.append(
            {
                "one_time_keys": one_time,
                "base_private": taken[0],
                "handshake": handshake.encode().hex(),
                "kem_shared_secret": HANDSHAKER_V1.kem.decapsulate(kem.seed.raw, handshake.kem_ciphertext).hex(),
                "associated_data": session.associated_data.hex(),
                "secret": response.agreement.secret.raw.hex(),
                "handshake_id": session.handshake_id.hex(),
            }
        )
    return {
        "page": "pqxdh.md",
        "initiator": initiator.describe(),
        "responder": responder.describe(),
        "cases": cases,
    }


# Who sends, and which messages (by number) are then delivered to whom they are for.
CONVERSATION = [
    ("initiator", "first", []),
    ("initiator", "second, which arrives before the first", [1, 0]),
    ("responder", "answer", [2]),
    ("initiator", "a new chain", []),
    ("initiator", "in it", []),
    ("initiator", "also in it, which arrives first", [5]),
    ("responder", "sent before the missing two came", [6, 3]),
    ("initiator", "another chain, while one of the last is still missing", [7, 4]),
    ("responder", "", [8]),
]


def conversation() -> Json:
    """Every frame of a conversation, in the order in which they were sent and arrived."""
    devices = {name: Device(name) for name in ("initiator", "responder")}
    initiator, responder = devices["initiator"], devices["responder"]
    rng = Stream("conversation")
    bundle = verify_bundle(responder.bundle(one_time=True), responder.identity.public, responder.certificate.bundle_id)
    started, _ = sessions.initiate(initiator.local, bundle, now=NOW, rng=rng)
    base_private, first_ratchet_private = rng.drain()
    states: dict[str, sessions.SessionState | None] = {"initiator": started, "responder": None}
    steps: list[Json] = []
    frames: list[tuple[str, bytes, str]] = []
    for number, (sender, content, delivered) in enumerate(CONVERSATION):
        states[sender], frame, exporter = sessions.encrypt_exporting(
            _there(states[sender]), content.encode(), now=NOW + number, rng=rng
        )
        frames.append(("responder" if sender == "initiator" else "initiator", frame, content))
        steps.append(
            {
                "send": number,
                "sender": sender,
                "content": content.encode().hex(),
                "new_ratchet_private": next(iter(rng.drain()), None),
                "message_key": exporter.key.raw.hex(),
                "live_session_export": exporter.export(Label.LIVE_SESSION_EXPORT).raw.hex(),
                "frame": frame.hex(),
            }
        )
        for arrived in delivered:
            _deliver(devices, states, *frames[arrived])
            steps.append({"deliver": arrived})
    return {
        "page": "double-ratchet.md",
        "initiator": initiator.describe(),
        "responder": responder.describe(),
        "base_private": base_private,
        "first_ratchet_private": first_ratchet_private,
        "steps": steps,
    }


def _deliver(
    devices: dict[str, Device], states: dict[str, sessions.SessionState | None], to: str, frame: bytes, content: str
) -> None:
    envelope, state = sessions.open_frame(devices[to].local, frame), states[to]
    if state is None:
        accepted = sessions.accept(devices[to].local, devices[to], envelope, now=NOW)
        states[to], opened = accepted.session, accepted.plaintext
    else:
        states[to], opened = sessions.decrypt(state, envelope, now=NOW)
    must(opened == content.encode())


def _there(state: sessions.SessionState | None) -> sessions.SessionState:
    if state is None:
        raise AssertionError("the responder has received nothing yet")
    return state


def live_session() -> Json:
    """The keys of a live session from the exported secrets of its two messages."""
    live_id = live.LiveId(fixed("live id", live.LIVE_ID_SIZE))
    offered, accepted = (ExportedSecret(fixed(f"exported {name}")) for name in ("offer", "acceptance"))
    state = live.accept(live.Accepting(live_id, offered, 0.0), accepted, 0.0)
    return {
        "page": "live-session.md",
        "live_id": live_id.hex(),
        "offer_export": offered.raw.hex(),
        "acceptance_export": accepted.raw.hex(),
        "offerer_key": state.keys.receiving.raw.hex(),
        "accepter_key": state.keys.sending.raw.hex(),
    }
