"""The recovery phrase: the root seed as 24 English words (BIP-39, the encoding of entropy alone).

Words and checksum are those of https://github.com/bitcoin/bips/blob/master/bip-0039.mediawiki: 256 bits of entropy and the
first 8 bits of their SHA-256, in 24 pieces of 11 bits. BIP-39's second half (PBKDF2 from the words to a wallet's seed) has
no place here: the entropy *is* the root seed, which is uniform already.
"""

import difflib
import re
from functools import cache

from mnemonic import Mnemonic

from handshaker_core.errors import HandshakerError
from handshaker_core.protocol.root import RootSeed

WORDS = 24
SHORTEST_ABBREVIATION = 4
"""No two words of the list begin with the same four letters, so that these are enough."""


class InvalidPhrase(HandshakerError):
    """Words that are no recovery phrase.

    Attributes:
        word: which word is at fault, counted from 1; None where it cannot be told.
    """

    reason = "invalid_phrase"
    sentence = "This is not a recovery phrase."

    def __init__(self, sentence: str | None = None, *, word: int | None = None) -> None:
        super().__init__(sentence)
        self.word = word


def encode(seed: RootSeed) -> list[str]:
    """The 24 words of a root seed."""
    return _list().to_mnemonic(seed.raw).split(" ")


def decode(text: str) -> RootSeed:
    """The root seed that a phrase spells, however it was typed: any case, spaces, commas, line breaks, numbers like "7.",
    and words cut to their first four letters.

    Raises:
        InvalidPhrase: names the first word that is not in the list, or says how many words are missing or too many, or that
            the checksum does not fit. A wrong phrase passes the checksum once in 256 times. The sentence repeats the one
            mistyped word and no other.
    """
    typed = [word for word in re.split(r"[\s,;]+", text.casefold()) if word and not re.fullmatch(r"\d+[.):]?", word)]
    # Numbers may stand close to their words: "7.word".
    words = [_known(re.sub(r"^\d+[.):]", "", word), number) for number, word in enumerate(typed, start=1)]
    if len(words) != WORDS:
        count = "1 word" if len(words) == 1 else f"{len(words)} words"
        raise InvalidPhrase(f"A recovery phrase has {WORDS} words; this one has {count}.")
    try:
        return RootSeed(bytes(_list().to_entropy(words)))
    except ValueError:
        raise InvalidPhrase(
            "Every word is in the list, but the phrase does not fit together: a word was replaced by another one, or two"
            " have changed places. Compare it with what you wrote down, word by word."
        ) from None


def _known(word: str, number: int) -> str:
    known = _list().wordlist
    if word in known:
        return word
    longer = [candidate for candidate in known if candidate.startswith(word)]
    if len(word) >= SHORTEST_ABBREVIATION and len(longer) == 1:
        return longer[0]
    # What is repeated to a person is short and cannot steer a terminal.
    shown = "".join(letter for letter in word if letter.isalnum())[:20]
    close = difflib.get_close_matches(word, known, n=3, cutoff=0.6)
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    raise InvalidPhrase(f"Word {number}, “{shown}”, is not in the list of words.{hint}", word=number)


@cache
def _list() -> Mnemonic:
    return Mnemonic("english")
