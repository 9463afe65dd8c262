"""Contacts and conversations as people handle them: by name, in order, and compared by safety number."""

import re

from handshaker_core.client import syncing
from handshaker_core.client.errors import AmbiguousContact, NoSuchContact, NotVerified
from handshaker_core.client.unit import Unit
from handshaker_core.model import Attention, Contact, ContactId
from handshaker_core.protocol.safety_number import DIGITS, SafetyCode, ScanResult, safety_number
from handshaker_core.store import contacts

_NUMBER = re.compile(r"[0-9]{1,18}")
_NUMBERS_END = 2**63  # of the database's integers


def resolve(u: Unit, reference: int | str) -> Contact:
    """The contact that a person means by a number, a username or a name.

    A username that the directory confirmed comes before a name that somebody merely claims.

    Raises:
        NoSuchContact, AmbiguousContact.
    """
    if isinstance(reference, str) and _NUMBER.fullmatch(reference):
        reference = int(reference)
    if isinstance(reference, int):
        found = contacts.get(u.c, ContactId(reference)) if 0 < reference < _NUMBERS_END else None
        if found is None or found.id == contacts.own_self(u.c):
            raise NoSuchContact
        return found
    wanted = reference.strip().removeprefix("@").casefold()
    if not wanted:
        raise NoSuchContact
    everybody = contacts.everybody(u.c)
    confirmed = [contact for contact in everybody if contact.username == wanted]
    if confirmed:
        return confirmed[0]
    named = [
        contact
        for contact in everybody
        if wanted in (contact.name.casefold(), (contact.claimed_username or "").casefold())
    ]
    if not named:
        raise NoSuchContact
    if len(named) > 1:
        raise AmbiguousContact
    return named[0]


def safety_number_with(u: Unit, contact: ContactId) -> str:
    """The 60 digits that both sides show."""
    return safety_number(u.keys.identity_key, contacts.identity(u.c, contact))


def safety_code_with(u: Unit, contact: ContactId) -> SafetyCode:
    """What the other side scans."""
    return SafetyCode.between(u.keys.identity_key, contacts.identity(u.c, contact))


def verify(u: Unit, contact: ContactId, number: str | SafetyCode | None) -> Contact:
    """Note that the safety number was compared.

    Args:
        u: the unit.
        contact: with whom.
        number: what the other side shows: digits, in which spaces do not matter, or the scanned code; None when the
            person has compared it by eye.

    Raises:
        NotVerified: the number is another. Nothing is changed.
        UnsupportedVersion: the code is of another version.
    """
    if isinstance(number, SafetyCode):
        found = safety_code_with(u, contact).compare(number)
        if found is not ScanResult.MATCH:
            raise NotVerified(_SCANNED[found])
    elif number is not None:
        digits = "".join(number.split())
        if len(digits) != DIGITS or digits != safety_number_with(u, contact):
            raise NotVerified
    contacts.set_attention(u.c, contact, None)
    return _set_verified(u, contact, u.now)


def acknowledge(u: Unit, contact: ContactId) -> Contact:
    """Note that the owner has looked at what has changed about a contact; sending goes on."""
    before = contacts.get(u.c, contact)
    if before is not None and before.attention is Attention.IDENTITY_CHANGED:
        contacts.forget_username(u.c, contact)  # it is somebody else's now
    contacts.set_attention(u.c, contact, None)
    return _changed(u, contact)


_SCANNED = {
    ScanResult.OTHER_KEY_OF_CONTACT: "The code does not match: you have another key of this contact than they have "
    "themselves. Somebody may be in between, or they have a new identity; the contact was not verified.",
    ScanResult.OTHER_OWN_KEY: "The code does not match: this contact has another key of you than yours. Somebody may be "
    "in between, or you have a new identity; the contact was not verified.",
    ScanResult.OTHER_KEYS: "The code does not match: neither key is the same. It may belong to another conversation; "
    "the contact was not verified.",
    ScanResult.OWN_CODE: "This is the code that you show yourself; scan the one that your contact shows.",
}


def unverify(u: Unit, contact: ContactId) -> Contact:
    """Forget that the safety number was compared."""
    return _set_verified(u, contact, None)


def _set_verified(u: Unit, contact: ContactId, verified_at: float | None) -> Contact:
    contacts.set_verified(u.c, contact, verified_at)
    return _changed(u, contact)


def _changed(u: Unit, contact: ContactId) -> Contact:
    syncing.share_person(u, contact)
    changed = contacts.get(u.c, contact)
    if changed is None:
        raise NoSuchContact
    return changed
