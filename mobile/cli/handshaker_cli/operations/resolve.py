"""From what a person types to the contact or request that is meant."""

from collections.abc import Sequence

from handshaker_core.model import Contact, Request

from handshaker_cli.errors import AmbiguousContact, UnknownContact, UnknownRequest

_LISTED = 5
_LONGEST_NUMBER = 18


def find_contact(contacts: Sequence[Contact], text: str) -> Contact:
    """The contact that `text` means: its number, its username, the name it goes by, or the unique beginning of one.

    Digits are always a number. Numbers and usernames of the directory decide alone, because contacts cannot choose them:
    one who calls themselves like somebody else makes the name ambiguous and never takes it over.

    Raises:
        UnknownContact, AmbiguousContact: with a sentence that says what to do.
    """
    candidates = _candidates(contacts, text.strip().casefold().removeprefix("@"))
    if not candidates:
        raise UnknownContact(_unknown(contacts, text))
    if len(candidates) > 1:
        listed = ", ".join(f"{contact.id} ({contact.name})" for contact in candidates[:_LISTED])
        more = f" and {len(candidates) - _LISTED} more" if len(candidates) > _LISTED else ""
        raise AmbiguousContact(f"Several contacts fit: {listed}{more}. Use the number.")
    return candidates[0]


def _candidates(contacts: Sequence[Contact], wanted: str) -> list[Contact]:
    number = wanted.removeprefix("#")
    if number.isascii() and number.isdigit():
        return [contact for contact in contacts if contact.id == int(number[:_LONGEST_NUMBER])]
    return (
        [contact for contact in contacts if contact.username == wanted]
        or [contact for contact in contacts if wanted in _names(contact)]
        or [contact for contact in contacts if wanted and any(name.startswith(wanted) for name in _names(contact))]
    )


def find_request(requests: Sequence[Request], text: str) -> Request:
    """The pending incoming request with this number, or from somebody of this name.

    Raises:
        UnknownRequest: none, or more than one of the name.
    """
    wanted = text.strip().casefold().removeprefix("@")
    for exact in (
        [request for request in requests if wanted.removeprefix("#") == str(request.id)],
        [request for request in requests if wanted in _names(request)],
    ):
        if len(exact) == 1:
            return exact[0]
        if exact:
            numbers = ", ".join(str(request.id) for request in exact)
            raise UnknownRequest(f"Several requests fit: {numbers}. Use the number.")
    waiting = "No request is waiting." if not requests else "To see what waits: handshaker requests"
    raise UnknownRequest(f"There is no connection request {text!r} to answer. {waiting}")


def _names(person: Contact | Request) -> set[str]:
    names = (person.name, person.username, person.claimed_username)
    return {name.casefold() for name in names if name}


def _unknown(contacts: Sequence[Contact], text: str) -> str:
    hint = "To see your contacts: handshaker contacts." if contacts else "You have no contacts yet."
    return f"There is no contact {text!r}. {hint} To ask for a connection: handshaker connect USERNAME"
