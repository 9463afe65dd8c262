"""The code that a new device shows: where it listens, a secret, and a commitment to what it will say about itself."""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import Self

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from handshaker_core.errors import InvalidLinkCode
from handshaker_core.protocol.address import ID_SIZE, SendId, SendSecret
from handshaker_core.protocol.keys import SecretBytes
from handshaker_core.protocol.labels import Label
from handshaker_core.protocol.wire import Reader, u8

CODE_VERSION = 1
PREFIX = "HSLINK:"
COMMITMENT_SIZE = 32
_CHECKSUM_SIZE = 4
_KEY_SIZE = 32
# Capital letters, digits, colon: what a QR code stores most densely, and what survives being read aloud.
_TEXT = re.compile(r"HSLINK:([A-Z2-7]+)")


class CodeSecret(SecretBytes):
    """What only those know who have seen the code (32 bytes)."""

    __slots__ = ()

    def send_secret(self) -> SendSecret:
        """The right to write to the new device's mailbox."""
        return SendSecret(self._derive(Label.LINKING_MAILBOX))

    def hello_key(self) -> bytes:
        """AES-256-GCM key of the first message, 32 bytes."""
        return self._derive(Label.LINKING_HELLO)

    def _derive(self, label: Label) -> bytes:
        return HKDF(SHA256(), _KEY_SIZE, None, label.value).derive(self.raw)


@dataclass(frozen=True, slots=True, repr=False)
class LinkCode:
    """A code, good for one linking.

    Attributes:
        send_id: the new device's temporary mailbox.
        secret: encrypts the first message.
        commitment: SHA-256 over what the new device reveals later.
    """

    send_id: SendId
    secret: CodeSecret
    commitment: bytes

    def __repr__(self) -> str:
        return "LinkCode(<redacted>)"

    def encode(self) -> bytes:
        """Version (1) || send_id (16) || secret (32) || commitment (32), 81 bytes."""
        return u8(CODE_VERSION) + self.send_id + self.secret.raw + self.commitment

    def text(self) -> str:
        """What is shown, as text and as QR code: 143 characters."""
        data = self.encode()
        return PREFIX + base64.b32encode(data + _checksum(data)).decode("ascii").rstrip("=")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a code as a person gives it: white space, line breaks and small letters do not matter.

        Raises:
            InvalidLinkCode.
        """
        found = _TEXT.fullmatch("".join(text.split()).upper())
        if found is None:
            raise InvalidLinkCode
        try:
            data = base64.b32decode(found[1] + "=" * (-len(found[1]) % 8))
        except binascii.Error:
            raise InvalidLinkCode from None
        content, checksum = data[:-_CHECKSUM_SIZE], data[-_CHECKSUM_SIZE:]
        if checksum != _checksum(content):
            raise InvalidLinkCode
        reader = Reader(content, InvalidLinkCode)
        if reader.u8() != CODE_VERSION:
            raise InvalidLinkCode("The code is of another version; both devices need the same version of Handshaker.")
        code = cls(SendId(reader.take(ID_SIZE)), CodeSecret(reader.take(CodeSecret.SIZE)), reader.take(COMMITMENT_SIZE))
        reader.end()
        if code.text() != PREFIX + found[1]:  # unused bits set: the same code would have several texts
            raise InvalidLinkCode
        return code


def _checksum(data: bytes) -> bytes:
    """Against typing mistakes, not against anybody."""
    return hashlib.sha256(Label.LINKING_CODE.value + data).digest()[:_CHECKSUM_SIZE]
