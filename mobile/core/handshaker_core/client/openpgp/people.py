"""Whose certificates are known: the own one and those of contacts, each proven to belong to its identity."""

from dataclasses import dataclass

from handshaker_core.client.openpgp.errors import ForeignCertificate, NoCertificate, NoOpenPgpKey
from handshaker_core.client.openpgp.values import CertificateInfo
from handshaker_core.client.unit import Unit
from handshaker_core.errors import WrongIdentity
from handshaker_core.model import Contact, ContactId
from handshaker_core.openpgp.armor import ArmorType, armor
from handshaker_core.openpgp.binding import verify_binding
from handshaker_core.openpgp.certificate import Certificate
from handshaker_core.openpgp.errors import CertificateRevoked
from handshaker_core.openpgp.keys import KeyId
from handshaker_core.openpgp.own import OwnKey
from handshaker_core.store import contacts, openpgp
from handshaker_core.store.accounts import AccountKeys
from handshaker_core.store.openpgp import Source, StoredCertificate


@dataclass(frozen=True, slots=True)
class Signers:
    """Those whose signatures can be checked.

    Attributes:
        own: the own certificate; None on devices that cannot derive it.
        others: contacts' certificates.
    """

    own: Certificate | None
    others: tuple[tuple[ContactId, Certificate], ...]

    def find(self, key_id: KeyId) -> Certificate | None:
        """The certificate whose primary key has that id."""
        own = () if self.own is None else (self.own,)
        everybody = (*own, *(certificate for _, certificate in self.others))
        return next((each for each in everybody if each.primary.key_id == key_id), None)

    def owner(self, signer: Certificate) -> ContactId | None:
        """Whose certificate it is; None for the own one."""
        return next((contact for contact, certificate in self.others if certificate is signer), None)


@dataclass(frozen=True, slots=True)
class Known:
    """The own key with its certificate, and those whose signatures can be checked."""

    own: OwnKey
    certificate: Certificate
    signers: Signers


def own_key(keys: AccountKeys) -> OwnKey:
    """The key of the person whose account it is.

    Raises:
        PrimaryDeviceOnly: this is a linked device.
        NoOpenPgpKey: the account has no root seed.
    """
    if keys.root is None:
        _ = keys.identity  # says so where this is a linked device
        raise NoOpenPgpKey
    return OwnKey.derive(keys.root)


def known(u: Unit) -> Known:
    """What reading and writing messages needs. Raises: PrimaryDeviceOnly, NoOpenPgpKey."""
    own = own_key(u.keys)
    certificate = own.certificate()
    return Known(own, certificate, Signers(certificate, _contacts(u)))


def signers(u: Unit) -> Signers:
    """Those whose signatures can be checked; on a linked device contacts alone."""
    return Signers(None if u.keys.root is None else own_key(u.keys).certificate(), _contacts(u))


def _contacts(u: Unit) -> tuple[tuple[ContactId, Certificate], ...]:
    return tuple((stored.contact_id, Certificate.decode(stored.encoded)) for stored in openpgp.everybody(u.c))


def of_contact(u: Unit, contact: Contact) -> Certificate:
    """A contact's certificate. Raises: NoCertificate."""
    stored = openpgp.of_contact(u.c, contact.id)
    if stored is None:
        raise NoCertificate(contact.name)
    return Certificate.decode(stored.encoded)


def keep(u: Unit, contact: ContactId, data: bytes, source: Source) -> CertificateInfo:
    """Check that a certificate belongs to exactly this contact, and keep it. The contact's verification is not touched.

    Raises:
        ForeignCertificate: it belongs to somebody else.
        OpenPgpError: it belongs to nobody, was altered, or cannot be read.
    """
    certificate = Certificate.decode(data)
    try:
        verify_binding(certificate, contacts.identity(u.c, contact))
    except WrongIdentity:
        raise ForeignCertificate from None
    openpgp.keep(u.c, StoredCertificate(contact, certificate.encoded, source), u.now)
    return info(certificate, contact)


def forget_revoked(u: Unit, contact: ContactId, revoked: CertificateRevoked) -> None:
    """Stop using a contact's certificate whose key has revoked itself."""
    stored = openpgp.of_contact(u.c, contact)
    if stored is not None and Certificate.decode(stored.encoded).primary.raw == revoked.key:
        openpgp.forget(u.c, contact)


def info(certificate: Certificate, contact: ContactId | None) -> CertificateInfo:
    """A certificate as programs see it."""
    return CertificateInfo(
        fingerprint=certificate.fingerprint.hex().upper(),
        user_ids=certificate.user_ids,
        contact_id=contact,
        armored=armor(ArmorType.PUBLIC_KEY, certificate.encoded),
    )
