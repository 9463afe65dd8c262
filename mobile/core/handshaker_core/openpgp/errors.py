"""What can be wrong with OpenPGP data. None of these leaves anything behind; texts never repeat what was read."""

from handshaker_core.errors import ProtocolError


class OpenPgpError(ProtocolError):
    """Root."""

    reason = "openpgp_error"
    sentence = "The OpenPGP data cannot be used."


class MalformedOpenPgp(OpenPgpError):
    """Bytes that are no OpenPGP data, or are cut off."""

    reason = "malformed_openpgp"
    sentence = "This is not OpenPGP data, or it is damaged or cut off."


class OpenPgpTooLarge(OpenPgpError):
    """More than a limit allows; noticed before it was read."""

    reason = "openpgp_too_large"
    sentence = "The OpenPGP data is larger than anything that belongs here, and was not read."


class UnsupportedOpenPgp(OpenPgpError):
    """Valid, perhaps, but of a kind that this client does not use."""

    reason = "unsupported_openpgp"
    sentence = "The OpenPGP data uses keys or algorithms that this client does not support."


class SecretKeyGiven(OpenPgpError):
    """A secret key where a certificate was expected."""

    reason = "openpgp_secret_key"
    sentence = "This file holds a secret key, not a certificate. Never give it to anybody, and do not import it here."


class BadOpenPgpSignature(OpenPgpError):
    """A signature that the named key did not make over this content."""

    reason = "bad_openpgp_signature"
    sentence = "The OpenPGP signature does not match: the content was altered, or somebody else signed it."


class OpenPgpTampered(OpenPgpError):
    """The integrity check of an encrypted message failed."""

    reason = "openpgp_tampered"
    sentence = "The encrypted file was altered or damaged. Nothing of it was kept."


class NotEncryptedToUs(OpenPgpError):
    """No session key in the message opens with this person's key."""

    reason = "openpgp_not_for_us"
    sentence = "The file is encrypted to others, not to your OpenPGP key."


class MeantForOthers(OpenPgpError):
    """Validly signed for other recipients, and passed on by somebody."""

    reason = "openpgp_meant_for_others"
    sentence = "The signature says that the content was meant for somebody else; it was passed on to you."


class CertificateRevoked(OpenPgpError):
    """Its owner has taken it back.

    Attributes:
        key: the primary key (32 bytes) that has revoked itself.
    """

    reason = "openpgp_revoked"
    sentence = "The OpenPGP certificate was revoked by its owner and is not used here any more."

    def __init__(self, key: bytes) -> None:
        super().__init__()
        self.key = key


class OpenPgpExpired(OpenPgpError):
    """A certificate or signature past its time."""

    reason = "openpgp_expired"
    sentence = "The OpenPGP certificate or signature has expired."


class NotBound(OpenPgpError):
    """A certificate that says nothing, or nothing provable, about a messenger identity."""

    reason = "openpgp_not_bound"
    sentence = "The certificate is not bound to an identity of this messenger, so it proves nothing about a contact."


class InvalidUserId(OpenPgpError):
    """Text that cannot be a user id."""

    reason = "invalid_user_id"
    sentence = "The name for the certificate must have 1 to 200 bytes and no control characters."
