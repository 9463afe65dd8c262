"""Text that others wrote, made fit for a terminal.

A message could otherwise move the cursor, change the window's title, reverse the order of letters, or look like a line
that this program printed.
"""

import unicodedata

REPLACEMENT = "\ufffd"
# Emoji and several scripts are joined or kept apart with these two; they do nothing else.
_JOINERS = frozenset("\u200c\u200d")
_LINE_ENDS = frozenset({"Zl", "Zp"})


def one_line(text: str) -> str:
    """The text in one line."""
    return " ".join(_clean(text).split())


def block(text: str, indent: str) -> str:
    """The text with its own line breaks, each further line indented so that it cannot pass for a line of ours."""
    return _clean(text).replace("\t", "    ").replace("\n", "\n" + indent)


def _clean(text: str) -> str:
    return "".join(map(_character, text.replace("\r\n", "\n")))


def _character(character: str) -> str:
    if character in "\n\t" or character in _JOINERS:
        return character
    category = unicodedata.category(character)
    if category in _LINE_ENDS:
        return "\n"
    if category == "Cf":
        return ""
    return REPLACEMENT if category in ("Cc", "Cs") else character
