"""Contact addresses, links, usernames, safety numbers; device certificates and lists."""

import string
from typing import Any

from handshaker_core.errors import InvalidUsername, ProtocolError
from handshaker_core.protocol import address as addresses
from handshaker_core.protocol import username as usernames
from handshaker_core.protocol.address import BundleId, ContactAddress, SendId, SendSecret
from handshaker_core.protocol.device import DeviceCertificate, DeviceId, DeviceList
from handshaker_core.protocol.keys import IdentityKeyPair
from handshaker_core.protocol.labels import Label
from handshaker_core.protocol.safety_number import SafetyCode, safety_number

from generator.fixed import Json, fixed
from generator.foundations import device_key

ISSUED_AT = 1_800_000_000
DEPLOYMENT = b"handshaker test deployment"
NAME = "alice_b.0042"
REFUSED_NAMES = [
    "alice",
    "alice.1",
    "al.42",
    "alice.0123456789",
    "alice smith.42",
    "\u0430\u043b\u0438\u0441\u0430.42",
    "alice..42",
    ".42",
    "",
]
TYPED_NAMES = ["alice.42", "  ALICE.42\n", "\uff41\uff4c\uff49\uff43\uff45.\uff14\uff12", "\u212aate.42", "a_1.00"]


def contact_address() -> Json:
    """An address, its link, and the record behind a username."""
    identity = IdentityKeyPair(fixed("address identity"))
    made = ContactAddress.create(
        identity,
        send_id=SendId(fixed("send id", 16)),
        send_secret=SendSecret(fixed("send secret")),
        bundle_id=BundleId(fixed("bundle id", 16)),
        issued_at=ISSUED_AT,
    )
    bases = ["https://chat.example", "http://[::1]:8080", "http://abcdefghijklmnop.onion"]
    fragment = addresses.make_link(made, bases[0]).partition("#")[2]
    last = fragment[-1]
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    refused = [
        f"http://chat.example/c#{fragment}",
        f"https://user@chat.example/c#{fragment}",
        f"https://Chat.example/c#{fragment}",
        f"https://chat.example/d#{fragment}",
        f"https://chat.example/c?x#{fragment}",
        f"https://chat.example/c#{fragment}=",
        f"https://chat.example/c#{fragment[:-1]}{alphabet[alphabet.index(last) ^ 1]}",
        f"https://chat.example/c#{fragment[:-4]}",
        f"https://chat.example/c{fragment}",
    ]
    for link in refused:
        _must_refuse(addresses.parse_link, link)
    keys = usernames.derive(usernames.normalise(NAME), DEPLOYMENT)
    return {
        "page": "contact-address.md",
        "identity_seed": identity.seed.hex(),
        "send_id": made.send_id.hex(),
        "send_secret": made.send_secret.raw.hex(),
        "bundle_id": made.bundle_id.hex(),
        "issued_at": ISSUED_AT,
        "address": made.encode().hex(),
        "links": [{"base": base, "link": addresses.make_link(made, base)} for base in bases],
        "refused_links": refused,
        "sealed": {
            "username": NAME,
            "deployment_id": DEPLOYMENT.hex(),
            "nonce": fixed("sealed address nonce", 12).hex(),
            "record": addresses.seal_address(made, keys, lambda size: fixed("sealed address nonce", size)).hex(),
        },
    }


def _must_refuse(parse: Any, value: Any) -> None:
    try:
        parse(value)
    except ProtocolError:
        return
    raise AssertionError(f"accepted: {value!r}")


def username() -> Json:
    """Names as typed, names refused, and the keys of two names at two deployments."""
    for text in REFUSED_NAMES:
        try:
            usernames.normalise(text)
        except InvalidUsername:
            continue
        raise AssertionError(f"accepted: {text!r}")
    derived = []
    for name, deployment in ((NAME, DEPLOYMENT), (NAME, b"another"), ("bob.12", DEPLOYMENT)):
        keys = usernames.derive(usernames.normalise(name), deployment)
        derived.append(
            {
                "username": name,
                "deployment_id": deployment.hex(),
                "lookup_hash": keys.lookup_hash.hex(),
                "seal_key": keys.seal_key.raw.hex(),
            }
        )
    return {
        "page": "contact-address.md, Username",
        "typed": [{"typed": text, "username": usernames.normalise(text)} for text in TYPED_NAMES],
        "refused": REFUSED_NAMES,
        "derived": derived,
    }


def safety_numbers() -> Json:
    """Numbers of pairs of identities; either order gives the same."""
    cases = []
    for number in range(3):
        one, other = (IdentityKeyPair(fixed(f"safety {number} {side}")).public for side in (0, 1))
        cases.append(
            {
                "one": one.raw.hex(),
                "other": other.raw.hex(),
                "safety_number": safety_number(one, other),
                "code_shown_by_one": SafetyCode.between(one, other).encode().hex(),
                "code_as_text": SafetyCode.between(one, other).text(),
            }
        )
    return {"page": "contact-address.md, Safety number", "cases": cases}


def certificate(identity: IdentityKeyPair, number: int) -> DeviceCertificate:
    """A certificate of the device key of that number."""
    return DeviceCertificate.issue(
        identity,
        device_id=DeviceId(fixed(f"device id {number}", 16)),
        device_key=device_key(number).public,
        bundle_id=BundleId(fixed(f"device bundle {number}", 16)),
        issued_at=ISSUED_AT + number,
    )


def _by_id(certificates: list[DeviceCertificate]) -> list[bytes]:
    return [found.encode() for found in sorted(certificates, key=lambda found: found.device_id)]


def devices() -> Json:
    """Certificates and lists, and some that must be refused."""
    identity, stranger = (IdentityKeyPair(fixed(f"devices of {name}")) for name in ("a person", "a stranger"))
    certificates = [certificate(identity, number) for number in range(3)]
    made = DeviceList.issue(identity, sequence=7, issued_at=ISSUED_AT + 9, certificates=tuple(certificates))
    encoded = made.encode()

    def signed(content: bytes) -> bytes:
        """Correctly signed by the person, so that nothing but the content is wrong."""
        return content + identity.sign(Label.DEVICE_LIST_SIGNATURE, content)

    start, content = encoded[:45], encoded[:-64]
    ordered = _by_id(certificates)
    foreign = certificate(stranger, 0).encode()
    many = sorted((certificate(identity, number) for number in range(9)), key=lambda found: found.device_id)
    refused = {
        "another_version": signed(b"\x02" + content[1:]),
        "sequence_zero": signed(content[:33] + bytes(4) + content[37:]),
        "certificate_of_a_stranger": signed(start + b"\x01" + foreign),
        "no_certificate": signed(start + b"\x00"),
        "one_device_twice": signed(start + b"\x02" + ordered[0] * 2),
        "not_in_order_of_ids": signed(start + b"\x02" + ordered[1] + ordered[0]),
        "nine_devices": signed(start + b"\x09" + b"".join(found.encode() for found in many)),
        "certificate_altered": signed(start + b"\x01" + ordered[0][:-1] + bytes((ordered[0][-1] ^ 1,))),
        "last_byte_missing": encoded[:-1],
        "byte_appended": encoded + b"\x00",
        "signature_altered": encoded[:-1] + bytes((encoded[-1] ^ 1,)),
        "sequence_altered": encoded[:36] + bytes((encoded[36] ^ 1,)) + encoded[37:],
        "signed_by_a_stranger": content + stranger.sign(Label.DEVICE_LIST_SIGNATURE, content),
        "signed_for_another_use": content + identity.sign(Label.DEVICE_CERTIFICATE_SIGNATURE, content),
    }
    for bad in refused.values():
        _must_refuse(DeviceList.decode, bad)
    return {
        "page": "devices.md",
        "identity_seed": identity.seed.hex(),
        "certificates": [
            {
                "device_id": found.device_id.hex(),
                "device_key_seed": device_key(number).seed.hex(),
                "device_key": found.device_key.raw.hex(),
                "bundle_id": found.bundle_id.hex(),
                "issued_at": found.issued_at,
                "certificate": found.encode().hex(),
            }
            for number, found in enumerate(certificates)
        ],
        "list": {"sequence": made.sequence, "issued_at": made.issued_at, "encoded": encoded.hex()},
        "refused_lists": {name: bad.hex() for name, bad in refused.items()},
    }
