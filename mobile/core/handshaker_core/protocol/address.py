"""Contact addresses: how a stranger reaches somebody. Signed, carried by links, or sealed behind a username."""

import base64
import binascii
import re
from dataclasses import dataclass
from typing import NewType, Self
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from handshaker_core.errors import InvalidLink, MalformedAddress, PaddingError, SealedAddressError
from handshaker_core.protocol.curve25519 import KEY_SIZE
from handshaker_core.protocol.keys import SIGNATURE_SIZE, IdentityKeyPair, IdentityPublicKey, SecretBytes
from handshaker_core.protocol.labels import Label
from handshaker_core.protocol.padding import pad, unpad
from handshaker_core.protocol.randomness import Randomness, system_randomness
from handshaker_core.protocol.username import UsernameKeys
from handshaker_core.protocol.wire import Reader, u8, u64

SendId = NewType("SendId", bytes)
"""Names the sending side of a mailbox (16 bytes)."""

BundleId = NewType("BundleId", bytes)
"""Names a device's prekey bundle (16 bytes)."""

ADDRESS_VERSION = 1
ID_SIZE = 16
SEND_SECRET_SIZE = 32
ADDRESS_SIZE = 1 + ID_SIZE + SEND_SECRET_SIZE + ID_SIZE + KEY_SIZE + 8 + SIGNATURE_SIZE

SEALED_ADDRESS_VERSION = 1
SEALED_ADDRESS_SIZE = 512
_NONCE_SIZE = 12
_TAG_SIZE = 16
_PADDED_ADDRESS_SIZE = SEALED_ADDRESS_SIZE - 1 - _NONCE_SIZE - _TAG_SIZE

LINK_PATH = "/c"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")


class SendSecret(SecretBytes):
    """The capability to write to a mailbox."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, repr=False)
class ContactAddress:
    """Where to write to somebody, and who that is. Made by `create` or `decode`, so its signature is always valid.

    Attributes:
        send_id: the contact mailbox.
        send_secret: the right to write to it.
        bundle_id: where the prekey bundle is.
        identity_key: whom the bundle and the answers must belong to.
        issued_at: seconds since 1970, UTC.
        signature: the identity's, 64 bytes.
    """

    send_id: SendId
    send_secret: SendSecret
    bundle_id: BundleId
    identity_key: IdentityPublicKey
    issued_at: int
    signature: bytes

    def __repr__(self) -> str:
        return "ContactAddress(<redacted>)"

    @classmethod
    def create(
        cls, identity: IdentityKeyPair, *, send_id: SendId, send_secret: SendSecret, bundle_id: BundleId, issued_at: int
    ) -> Self:
        """Sign a new address.

        Raises:
            MalformedAddress: an id has the wrong length or the time is out of range.
        """
        if len(send_id) != ID_SIZE or len(bundle_id) != ID_SIZE or not 0 <= issued_at < 2**64:
            raise MalformedAddress
        content = _signed_content(send_id, send_secret, bundle_id, identity.public, issued_at)
        signature = identity.sign(Label.CONTACT_ADDRESS_SIGNATURE, content)
        return cls(send_id, send_secret, bundle_id, identity.public, issued_at, signature)

    def encode(self) -> bytes:
        """The one encoding, 169 bytes; see docs/protocol/contact-address.md."""
        content = _signed_content(self.send_id, self.send_secret, self.bundle_id, self.identity_key, self.issued_at)
        return content + self.signature

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read and verify an address.

        Raises:
            MalformedAddress, BadKey: not an address of this version.
            BadSignature: not signed by the identity it names.
        """
        if len(data) != ADDRESS_SIZE:
            raise MalformedAddress
        reader = Reader(data, MalformedAddress)
        if reader.u8() != ADDRESS_VERSION:
            raise MalformedAddress
        address = cls(
            send_id=SendId(reader.take(ID_SIZE)),
            send_secret=SendSecret(reader.take(SEND_SECRET_SIZE)),
            bundle_id=BundleId(reader.take(ID_SIZE)),
            identity_key=IdentityPublicKey(reader.take(KEY_SIZE)),
            issued_at=reader.u64(),
            signature=reader.take(SIGNATURE_SIZE),
        )
        reader.end()
        content = data[:-SIGNATURE_SIZE]
        address.identity_key.verify(Label.CONTACT_ADDRESS_SIGNATURE, content, address.signature)
        return address


def seal_address(address: ContactAddress, keys: UsernameKeys, rng: Randomness = system_randomness) -> bytes:
    """Encrypt an address for everybody who knows the username: always 512 bytes."""
    nonce = rng(_NONCE_SIZE)
    padded = pad(address.encode(), _PADDED_ADDRESS_SIZE)
    ciphertext = AESGCM(keys.seal_key.raw).encrypt(nonce, padded, _sealed_associated_data(keys))
    return u8(SEALED_ADDRESS_VERSION) + nonce + ciphertext


def open_address(sealed: bytes, keys: UsernameKeys) -> ContactAddress:
    """Decrypt and verify the address behind a username.

    Raises:
        SealedAddressError: of another size, version or name, or altered.
        MalformedAddress, BadKey, BadSignature: sealed by somebody who knows the name, but not a valid address.
    """
    if len(sealed) != SEALED_ADDRESS_SIZE or sealed[0] != SEALED_ADDRESS_VERSION:
        raise SealedAddressError
    nonce, ciphertext = sealed[1 : 1 + _NONCE_SIZE], sealed[1 + _NONCE_SIZE :]
    try:
        encoded = unpad(AESGCM(keys.seal_key.raw).decrypt(nonce, ciphertext, _sealed_associated_data(keys)))
    except (InvalidTag, PaddingError):
        raise SealedAddressError from None
    return ContactAddress.decode(encoded)


def make_link(address: ContactAddress, base_url: str) -> str:
    """The link form: `<base_url>/c#<base64url of the address, unpadded>`. Browsers never send what follows `#`.

    Args:
        address: the address.
        base_url: scheme and host of the deployment, like `https://chat.example`.

    Raises:
        InvalidLink: the base is not of the form `https://host[:port]`; see `parse_link`.
    """
    base = base_url.rstrip("/")
    if _check_host(base) != base:
        raise InvalidLink("A deployment's address looks like https://chat.example, with nothing after the host.")
    return f"{base}{LINK_PATH}#{_to_base64url(address.encode())}"


def parse_link(link: str) -> tuple[str, ContactAddress]:
    """Read a contact link strictly: `https://host[:port]/c#<base64url>`, nothing before, between or after.

    `http` is accepted for onion services, which encrypt by themselves, and for this very machine.

    Returns:
        The deployment's base URL (`https://host[:port]`), and the verified address.

    Raises:
        InvalidLink: not of that form.
        MalformedAddress, BadKey, BadSignature: the address in it is damaged.
    """
    start, mark, fragment = link.strip().partition("#")
    if not mark or not start.endswith(LINK_PATH):
        raise InvalidLink
    base = _check_host(start.removesuffix(LINK_PATH))
    return base, ContactAddress.decode(_from_base64url(fragment))


def _check_host(base: str) -> str:
    """The base URL, if it is nothing but an allowed scheme, a host and perhaps a port."""
    try:
        parts = urlsplit(base)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise InvalidLink from None
    plain_allowed = host.endswith(".onion") or host in _LOOPBACK
    if parts.scheme != "https" and not (parts.scheme == "http" and plain_allowed):
        raise InvalidLink
    authority = f"[{host}]" if ":" in host else host
    rebuilt = f"{parts.scheme}://{authority}" + (f":{port}" if port is not None else "")
    if not host or not host.isascii() or rebuilt != base or any(character.isspace() for character in base):
        raise InvalidLink
    return base


def _to_base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _from_base64url(text: str) -> bytes:
    if not _BASE64URL.fullmatch(text):
        raise InvalidLink
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise InvalidLink from None
    if _to_base64url(data) != text:  # unused bits set: the same address would have several links
        raise InvalidLink
    return data


def _sealed_associated_data(keys: UsernameKeys) -> bytes:
    return Label.SEALED_ADDRESS.value + u8(SEALED_ADDRESS_VERSION) + keys.lookup_hash


def _signed_content(
    send_id: SendId, send_secret: SendSecret, bundle_id: BundleId, identity: IdentityPublicKey, issued_at: int
) -> bytes:
    return u8(ADDRESS_VERSION) + send_id + send_secret.raw + bundle_id + identity.raw + u64(issued_at)
