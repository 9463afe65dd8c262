"""The bond between an OpenPGP certificate and a messenger identity, in both directions.

The certificate's direct-key signature carries one notation. In it the OpenPGP key names the identity, and the identity's
own signature names the OpenPGP key. So neither can be attached to somebody else's: whoever copies a certificate cannot
make its key speak for another identity, and whoever copies an identity's signature cannot use it for another key.
"""

from dataclasses import dataclass

from handshaker_core.errors import BadSignature, ProtocolError, WrongIdentity
from handshaker_core.openpgp.certificate import Certificate
from handshaker_core.openpgp.errors import NotBound
from handshaker_core.openpgp.keys import SigningPublicKey
from handshaker_core.openpgp.signatures import Notation
from handshaker_core.protocol.keys import SIGNATURE_SIZE, IdentityKeyPair, IdentityPublicKey
from handshaker_core.protocol.labels import Label
from handshaker_core.protocol.wire import Reader, u8

NOTATION_NAME = "identity@handshaker.invalid"
"""Names in a notation belong to whoever owns the domain; `.invalid` (RFC 2606) is promised to belong to nobody, ever."""

BINDING_VERSION = 1
_KEY_SIZE = 32


@dataclass(frozen=True, slots=True)
class BoundCertificate:
    """A certificate and the identity that it belongs to. Made by `verify_binding`: both have signed for each other."""

    certificate: Certificate
    identity: IdentityPublicKey


def bind(identity: IdentityKeyPair, primary: SigningPublicKey) -> Notation:
    """The notation that ties an OpenPGP key to an identity: version (1) || identity key (32) || its signature (64)."""
    signature = identity.sign(Label.OPENPGP_BINDING, _content(primary))
    return Notation(NOTATION_NAME, u8(BINDING_VERSION) + identity.public.raw + signature)


def verify_binding(certificate: Certificate, expected: IdentityPublicKey | None = None) -> BoundCertificate:
    """Check both directions: the certificate names the identity, and the identity has signed for the certificate.

    The first direction was verified with the certificate itself: its notations are part of a signature by its key.

    Args:
        certificate: whose.
        expected: the identity that it has to be; None to learn which one it is.

    Raises:
        NotBound: it names no identity, more than one, or one that has not signed for it.
        WrongIdentity: it belongs to another identity than the expected one.
    """
    values = [notation.value for notation in certificate.notations if notation.name == NOTATION_NAME]
    if len(values) != 1:
        raise NotBound
    reader = Reader(values[0], NotBound)
    if reader.u8() != BINDING_VERSION:
        raise NotBound("The certificate is bound to an identity in a way that only a newer client understands.")
    key, signature = reader.take(_KEY_SIZE), reader.take(SIGNATURE_SIZE)
    reader.end()
    try:
        identity = IdentityPublicKey(key)
        identity.verify(Label.OPENPGP_BINDING, _content(certificate.primary), signature)
    except BadSignature:
        raise NotBound("The certificate names an identity that has not signed for it.") from None
    except ProtocolError:
        raise NotBound from None
    if expected is not None and identity != expected:
        raise WrongIdentity
    return BoundCertificate(certificate, identity)


def _content(primary: SigningPublicKey) -> bytes:
    """Version (1) || Ed25519 public key (32) || fingerprint (20). The key stands there so that SHA-1 need not be trusted."""
    return u8(BINDING_VERSION) + primary.raw + primary.fingerprint
