"""Usernames: one written form, and the two keys that only somebody who knows the name can derive.

The server stores a keyed hash of the lookup hash and a record sealed under the seal key. Argon2id makes guessing names
from a stolen database slow; it cannot make it impossible, which is why every name ends in digits.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import NewType

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from handshaker_core.errors import InvalidUsername
from handshaker_core.protocol.keys import SecretBytes
from handshaker_core.protocol.labels import Label

Username = NewType("Username", str)
"""A normalised username; made by `normalise` alone."""

ARGON2ID_MEMORY_KIB = 64 * 1024
ARGON2ID_ITERATIONS = 3
ARGON2ID_LANES = 1
LOOKUP_HASH_SIZE = 32

_NAME = re.compile(r"[a-z0-9_]{3,32}")
_DIGITS = re.compile(r"[0-9]{2,9}")


class UsernameSealKey(SecretBytes):
    """AES-256 key of the contact address behind a username."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, repr=False)
class UsernameKeys:
    """What is derived from a username.

    Attributes:
        lookup_hash: sent to the server to find the record (32 bytes).
        seal_key: opens the record; never leaves the client.
    """

    lookup_hash: bytes
    seal_key: UsernameSealKey

    def __repr__(self) -> str:
        return "UsernameKeys(<redacted>)"


def normalise(text: str) -> Username:
    """The one form of a username as typed: NFKC, case folded, without surrounding white space.

    Raises:
        InvalidUsername: with a sentence that says which rule is broken.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text.strip()).casefold())
    name, dot, digits = folded.rpartition(".")
    if not dot:
        raise InvalidUsername("A username ends in a dot and digits, like alice.42.")
    if not _NAME.fullmatch(name):
        raise InvalidUsername(
            "The part of a username before the dot has 3 to 32 characters: letters a to z, digits and underscores."
        )
    if not _DIGITS.fullmatch(digits):
        raise InvalidUsername("The part of a username after the dot has 2 to 9 digits.")
    return Username(folded)


def derive(username: Username, deployment_id: bytes) -> UsernameKeys:
    """Derive both keys; takes about a third of a second and 64 MiB, on purpose.

    Args:
        username: from `normalise`.
        deployment_id: public bytes that name the deployment, so that work on one does not serve against another.

    Raises:
        ValueError: `deployment_id` is empty.
    """
    if not deployment_id:
        raise ValueError("deployment_id must not be empty")
    stretched = Argon2id(
        salt=Label.USERNAME_ARGON2ID.value + deployment_id,
        length=32,
        iterations=ARGON2ID_ITERATIONS,
        lanes=ARGON2ID_LANES,
        memory_cost=ARGON2ID_MEMORY_KIB,
    ).derive(username.encode("ascii"))
    return UsernameKeys(
        lookup_hash=HKDFExpand(SHA256(), LOOKUP_HASH_SIZE, Label.USERNAME_LOOKUP.value).derive(stretched),
        seal_key=UsernameSealKey(
            HKDFExpand(SHA256(), UsernameSealKey.SIZE, Label.USERNAME_SEAL_KEY.value).derive(stretched)
        ),
    )
