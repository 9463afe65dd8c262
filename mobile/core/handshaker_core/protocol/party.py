"""How the two devices of a session are named in what both of them authenticate."""

from hashlib import sha256

from handshaker_core.protocol.device import DeviceCertificate
from handshaker_core.protocol.keys import KeyType
from handshaker_core.protocol.labels import Label
from handshaker_core.protocol.profile import Parties
from handshaker_core.protocol.seal import SealPublicKey
from handshaker_core.protocol.sealed_sender import Opening
from handshaker_core.protocol.wire import u8

PARTY_SIZE = 1 + 32 + 1 + 32 + 16
HANDSHAKE_ID_SIZE = 32


def party(certificate: DeviceCertificate) -> bytes:
    """Type, identity || type, device key || device id (82 bytes)."""
    identity = u8(KeyType.IDENTITY) + certificate.identity.raw
    return identity + u8(KeyType.DEVICE_IDENTITY) + certificate.device_key.raw + certificate.device_id


def parties(initiator: DeviceCertificate, seal_key: SealPublicKey, responder: DeviceCertificate) -> Parties:
    """Both, and the initiator's seal key, which has to be bound because the responder answers to it."""
    answer_to = u8(KeyType.SEAL_KEY) + sha256(seal_key.raw).digest()
    return Parties(initiator=party(initiator) + answer_to, responder=party(responder))


def name_handshake(initiator: DeviceCertificate, opening: Opening) -> bytes:
    """The name of the session that an opening starts (32 bytes), the same on both sides."""
    return sha256(Label.HANDSHAKE_ID.value + party(initiator) + opening.encode()).digest()
