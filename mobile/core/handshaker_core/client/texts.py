"""What people write and call themselves: limits, and what is taken out of names."""

import unicodedata

from handshaker_core.client.errors import EmptyText, TextTooLong
from handshaker_core.errors import InvalidUsername
from handshaker_core.protocol.session import MAX_PLAINTEXT_RATCHET_LARGE
from handshaker_core.protocol.username import normalise
from handshaker_core.store.contacts import Profile

# The fields of `Content` around a text: message id, time, and the lengths of three nested messages.
_CONTENT_OVERHEAD = 64
# A copy for the own other devices says besides in whose conversation it stands, and the message's own id and time.
_COPY_OVERHEAD = 72

MAX_TEXT_BYTES = MAX_PLAINTEXT_RATCHET_LARGE - _CONTENT_OVERHEAD - _COPY_OVERHEAD
"""The longest text, in bytes of UTF-8: what fits one frame."""

MAX_GREETING_BYTES = 1_024
MAX_DISPLAY_NAME_BYTES = 128
MAX_DEVICE_NAME_BYTES = 64

# Characters that could make one name look like another or break a line: controls, formats (which hold the
# bidirectional overrides), separators of lines, private use and unassigned ones.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def check_text(text: str) -> str:
    """A message as typed, if it can be sent.

    Raises:
        EmptyText, TextTooLong.
    """
    if not text.strip():
        raise EmptyText
    return _fitting("A message", text, MAX_TEXT_BYTES)


def check_greeting(text: str) -> str:
    """A greeting as typed, which may be empty. Raises: TextTooLong."""
    return _fitting("A greeting", text.strip(), MAX_GREETING_BYTES)


def check_display_name(text: str) -> str:
    """A display name as typed, cleaned. Raises: TextTooLong."""
    return _fitting("A name", clean_name(text), MAX_DISPLAY_NAME_BYTES)


def clean_device_name(text: str) -> str:
    """What a device is called: cleaned, cut, and never empty."""
    return clean_name(text).encode()[:MAX_DEVICE_NAME_BYTES].decode(errors="ignore").strip() or "unnamed"


def clean_name(text: str) -> str:
    """A name without characters that are not seen, and with single spaces."""
    visible = "".join(" " if c.isspace() else c for c in text if unicodedata.category(c) not in _HIDDEN or c.isspace())
    return " ".join(visible.split())


def clean_profile(display_name: str, username: str) -> Profile:
    """What somebody else says about themselves: cleaned, cut, and without a username that cannot be one.

    A display name in the form of a username is dropped: it could only pretend to be a confirmed one.
    """
    name = clean_name(display_name).encode()[:MAX_DISPLAY_NAME_BYTES].decode(errors="ignore")
    return Profile("" if _as_username(name) else name, _as_username(username))


def _as_username(text: str) -> str | None:
    try:
        return normalise(text.removeprefix("@"))
    except InvalidUsername:
        return None


def _fitting(what: str, text: str, maximum: int) -> str:
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        text = text.encode(errors="replace").decode()  # half characters, as broken terminals produce
        size = len(text.encode())
    if size > maximum:
        raise TextTooLong(what, maximum=maximum, actual=size)
    return text
