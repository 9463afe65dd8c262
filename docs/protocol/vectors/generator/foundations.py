"""Curve map, labels, the root seed, padding, chains: what everything else is made of."""

from typing import Any

from handshaker_core.errors import ProtocolError
from handshaker_core.protocol import curve25519, phrase
from handshaker_core.protocol.kdf_chain import KdfChain, message_key_material, root_step
from handshaker_core.protocol.keys import (
    ChainKey,
    DeviceIdentityKeyPair,
    IdentityKeyPair,
    IdentityPublicKey,
    RootKey,
    X25519PrivateKey,
    X25519PublicKey,
)
from handshaker_core.protocol.labels import Label, ServerLabel
from handshaker_core.protocol.padding import pad, unpad
from handshaker_core.protocol.root import RootSeed

from generator.fixed import Json, fixed

P = curve25519.FIELD_PRIME
SMALL_ORDER_Y = (1, P - 1, 0)


def curve() -> Json:
    """Identities, agreements, signatures, and the public keys that must be refused."""
    identities = []
    for number in range(4):
        pair = IdentityKeyPair(fixed(f"identity {number}"))
        content = fixed(f"signed content {number}", 3 * number)
        identities.append(
            {
                "seed": pair.seed.hex(),
                "ed25519_public": pair.public.raw.hex(),
                "x25519_private": pair.x25519_private.raw.hex(),
                "x25519_public": pair.public.x25519.raw.hex(),
                "label": Label.PREKEY_SIGNATURE.value.decode(),
                "content": content.hex(),
                "signature": pair.sign(Label.PREKEY_SIGNATURE, content).hex(),
            }
        )
    agreements = []
    for number in range(3):
        private = X25519PrivateKey(fixed(f"x25519 private {number}"))
        peer = X25519PrivateKey(fixed(f"x25519 peer {number}")).public()
        agreements.append({"private": private.raw.hex(), "public": peer.raw.hex(), "shared": private.agree(peer).hex()})
    refused_x25519 = [_little(u) for u in sorted(curve25519.LOW_ORDER_U)]
    refused_x25519 += [_little(P), _little(P + 1), _little(2**255 + 9), bytes(31), bytes(33)]
    order_eight = [(u - 1) * pow(u + 1, -1, P) % P for u in sorted(curve25519.LOW_ORDER_U) if u not in {0, P - 1}]
    refused_identities = [_little(y | sign << 255) for y in (*SMALL_ORDER_Y, *order_eight) for sign in (0, 1)]
    refused_identities += [_little(P), _little(P + 2), bytes(31), bytes(33)]
    return {
        "page": "README.md, Keys",
        "identities": identities,
        "agreements": agreements,
        "refused_x25519_public": [_refused(X25519PublicKey, raw) for raw in refused_x25519],
        "refused_identities": [_refused(IdentityPublicKey, raw) for raw in refused_identities],
    }


def _little(value: int) -> bytes:
    return value.to_bytes(32, "little")


def _refused(kind: Any, raw: bytes) -> str:
    try:
        kind(raw)
    except ProtocolError:
        return raw.hex()
    raise AssertionError(f"{kind.__name__} accepts {raw.hex()}")


def labels() -> Json:
    """Every label, by the name that it has in the implementation."""
    return {
        "page": "README.md, Labels",
        "between_clients": {member.name.lower(): member.value.decode() for member in Label},
        "for_servers": {member.name.lower(): member.value.decode() for member in ServerLabel},
    }


def root() -> Json:
    """What follows from a root seed."""
    cases = []
    for number in range(3):
        seed = RootSeed(bytes(32) if number == 0 else fixed(f"root {number}"))
        cases.append(
            {
                "root_seed": seed.raw.hex(),
                "recovery_phrase": " ".join(phrase.encode(seed)),
                "identity_seed": seed.identity().seed.hex(),
                "identity_public": seed.identity().public.raw.hex(),
                "recovery_auth_seed": seed.recovery_auth().raw.hex(),
                "backup_key": seed.backup_key().raw.hex(),
                "store_recovery_key": seed.store_recovery().raw.hex(),
                "openpgp_primary_seed": seed.openpgp_primary().raw.hex(),
                "openpgp_encryption_seed": seed.openpgp_encryption().raw.hex(),
            }
        )
    return {"page": "devices.md", "cases": cases}


def padding() -> Json:
    """Padded contents, and bytes that no padding produces."""
    contents = [b"", b"\x00", b"\x80", b"content", b"content\x80\x00\x00", fixed("padded", 15)]
    cases = [{"content": content.hex(), "size": 16, "padded": pad(content, 16).hex()} for content in contents]
    refused = [b"", bytes(16), b"\x81" + bytes(3), b"\x01"]
    for bad in refused:
        _refused(unpad, bad)
    return {"page": "frames.md, Padding", "cases": cases, "refused": [bad.hex() for bad in refused]}


def chains() -> Json:
    """Root steps, chain steps, and a message's AEAD key with the salt of the post-quantum ratchet."""
    info = Label.RATCHET_MESSAGE_KEY.value
    root_key, agreed = RootKey(fixed("root key")), fixed("agreed secret")
    new_root, chain_key = root_step(root_key, agreed, Label.RATCHET_ROOT.value)
    chain, steps = KdfChain(ChainKey(chain_key.raw)), []
    for number in range(4):
        salt = fixed(f"salt {number}")
        chain, message_key = chain.step()
        material = message_key_material(message_key, salt, info, 44)
        steps.append(
            {
                "number": number,
                "message_key": message_key.raw.hex(),
                "next_chain_key": chain.key.raw.hex(),
                "salt": salt.hex(),
                "aead_key": material[:32].hex(),
                "aead_nonce": material[32:].hex(),
            }
        )
    return {
        "page": "double-ratchet.md, Derivations",
        "root_step": {
            "root_key": root_key.raw.hex(),
            "agreed": agreed.hex(),
            "new_root_key": new_root.raw.hex(),
            "chain_key": chain_key.raw.hex(),
        },
        "chain": steps,
    }


def device_key(number: int) -> DeviceIdentityKeyPair:
    """Long-term keys of devices that several files use."""
    return DeviceIdentityKeyPair(fixed(f"device key {number}"))
