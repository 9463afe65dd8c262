"""Message keys of messages that have not arrived (MKSKIPPED, Double Ratchet, section 3.2), bounded."""

from collections.abc import Collection, Mapping
from itertools import groupby
from types import MappingProxyType
from typing import Self

from handshaker_core.errors import MalformedState
from handshaker_core.protocol.curve25519 import KEY_SIZE
from handshaker_core.protocol.keys import MessageKey, X25519PublicKey
from handshaker_core.protocol.wire import Reader, u16, u32

MAX_STORED = 2_000
"""Keys kept in a session; beyond it the oldest are dropped."""


class SkippedMessageKeys:
    """An immutable, insertion-ordered map from (ratchet key, message number) to message key.

    A change copies the map, which at its bound takes some ten microseconds; messages in order change nothing.
    """

    __slots__ = ("_keys",)

    def __init__(self, keys: Mapping[tuple[bytes, int], MessageKey] = MappingProxyType({})) -> None:
        self._keys = keys

    def __repr__(self) -> str:
        return f"SkippedMessageKeys(<{len(self._keys)} redacted>)"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SkippedMessageKeys):
            return NotImplemented
        return list(self._keys.items()) == list(other._keys.items())

    def __hash__(self) -> int:
        return hash(tuple(self._keys))

    def __len__(self) -> int:
        return len(self._keys)

    def get(self, ratchet_key: X25519PublicKey, number: int) -> MessageKey | None:
        """The key of that message, if it was skipped and not used since."""
        return self._keys.get((ratchet_key.raw, number))

    def without(self, ratchet_key: X25519PublicKey, number: int) -> Self:
        """A copy in which that key is deleted."""
        keys = dict(self._keys)
        del keys[ratchet_key.raw, number]
        return type(self)(keys)

    def with_added(self, ratchet_key: X25519PublicKey, skipped: Collection[tuple[int, MessageKey]]) -> Self:
        """A copy with newly skipped keys, without the oldest ones that exceed the bound; itself, if there are none."""
        if not skipped:
            return self
        keys = dict(self._keys)
        keys.update(((ratchet_key.raw, number), key) for number, key in skipped)
        for oldest in list(keys)[: max(0, len(keys) - MAX_STORED)]:
            del keys[oldest]
        return type(self)(keys)

    def encode(self) -> bytes:
        """Runs of keys of one chain, oldest first: u16 runs, each ratchet key || u16 count || (u32 number || key)*."""
        runs = []
        for ratchet_key, entries in groupby(self._keys.items(), key=lambda entry: entry[0][0]):
            run = [u32(number) + key.raw for (_, number), key in entries]
            runs.append(ratchet_key + u16(len(run)) + b"".join(run))
        return u16(len(runs)) + b"".join(runs)

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Raises: MalformedState."""
        keys: dict[tuple[bytes, int], MessageKey] = {}
        total = 0
        for _ in range(reader.u16()):
            ratchet_key = reader.take(KEY_SIZE)
            count = reader.u16()
            total += count
            for _ in range(count):
                number = reader.u32()
                keys[ratchet_key, number] = MessageKey(reader.take(MessageKey.SIZE))
        if len(keys) != total or total > MAX_STORED:
            raise MalformedState
        return cls(keys)
