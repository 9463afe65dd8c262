"""What programs on top of the client see of OpenPGP: plain, frozen values."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from handshaker_core.model import ContactId


@dataclass(frozen=True, slots=True)
class CertificateInfo:
    """A certificate that is proven to belong to an identity: the own one, or a contact's.

    Attributes:
        fingerprint: 40 hexadecimal digits.
        user_ids: names in the certificate, chosen by its owner; they prove nothing.
        contact_id: whose it is; None for the own one.
        armored: the certificate as text, to give to others.
    """

    fingerprint: str
    user_ids: tuple[str, ...]
    contact_id: ContactId | None
    armored: str


class SignatureState(StrEnum):
    """What a signature says about a file."""

    GOOD = "good"
    """Somebody whose certificate is here has signed exactly this."""
    UNKNOWN = "unknown"
    """Somebody else has signed it; no certificate of theirs is here, so that nothing was checked."""
    NONE = "none"
    """Nobody has signed it."""


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """A file that was read to its end.

    Attributes:
        written: where its content is now; None where nothing had to be written.
        size: bytes of content.
        encrypted: whether it was.
        signer: the signer's fingerprint, 40 hexadecimal digits; None unless the signature is good.
        own: whether the own key has signed it.
        contact_id: the contact who has signed it.
        signed_at: seconds since 1970, as the signer says.
    """

    written: Path | None
    size: int
    encrypted: bool
    signature: SignatureState
    signer: str | None = None
    own: bool = False
    contact_id: ContactId | None = None
    signed_at: int | None = None


@dataclass(frozen=True, slots=True)
class ExportedHistory:
    """An encrypted export of all conversations."""

    written: Path
    messages: int
    size: int
