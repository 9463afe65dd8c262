"""Contacts and conversations as people handle them: by name, in order, and compared by safety number."""

import re

from handshaker_core.client.errors import AmbiguousContact, NoSuchContact, NotVerified
from handshaker_core.client.unit import Unit
from handshaker_core.model import Contact, ContactId
from handshaker_core.protocol.safety_number import DIGITS, safety_number
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
        if found is None:
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


def verify(u: Unit, contact: ContactId, number: str | None) -> Contact:
    """Note that the safety number was compared.

    Args:
        u: the unit.
        contact: with whom.
        number: what the other side shows, spaces do not matter; None when the person has compared it by eye.

    Raises:
        NotVerified: the number is another. Nothing is changed.
    """
    if number is not None:
        digits = "".join(number.split())
        if len(digits) != DIGITS or digits != safety_number_with(u, contact):
            raise NotVerified
    return _set_verified(u, contact, u.now)


def unverify(u: Unit, contact: ContactId) -> Contact:
    """Forget that the safety number was compared."""
    return _set_verified(u, contact, None)


def _set_verified(u: Unit, contact: ContactId, verified_at: float | None) -> Contact:
    contacts.set_verified(u.c, contact, verified_at)
    changed = contacts.get(u.c, contact)
    if changed is None:
        raise NoSuchContact
    return changed
