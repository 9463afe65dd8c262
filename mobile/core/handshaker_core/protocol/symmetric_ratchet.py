"""The symmetric-key ratchet (Double Ratchet, section 2.2): one sending and one receiving chain."""

from dataclasses import dataclass

from handshaker_core.errors import NoSendingChain, UndecryptableMessage
from handshaker_core.protocol.kdf_chain import KdfChain
from handshaker_core.protocol.keys import ChainKey, MessageKey
from handshaker_core.protocol.skipped_keys import MAX_STORED


@dataclass(frozen=True, slots=True)
class SymmetricRatchet:
    """Both chains.

    Attributes:
        sending: None before the first step of the Diffie-Hellman ratchet, and between receiving the peer's new ratchet
            key and sending the first answer to it.
        receiving: None before the peer's first ratchet key.
        previous_sending_length: number of messages in the sending chain before the current one (PN).
    """

    sending: KdfChain | None = None
    receiving: KdfChain | None = None
    previous_sending_length: int = 0

    def with_receiving(self, key: ChainKey) -> "SymmetricRatchet":
        """Start a new receiving chain; the sending chain ends, since the next message needs a new ratchet key."""
        previous = self.previous_sending_length if self.sending is None else self.sending.length
        return SymmetricRatchet(None, KdfChain(key), previous)

    def with_sending(self, key: ChainKey) -> "SymmetricRatchet":
        """Start a new sending chain."""
        return SymmetricRatchet(KdfChain(key), self.receiving, self.previous_sending_length)

    def next_sending(self) -> tuple["SymmetricRatchet", int, MessageKey]:
        """Step the sending chain: the number and key of the next message. Raises: NoSendingChain, ChainExhausted."""
        if self.sending is None:
            raise NoSendingChain
        chain, key = self.sending.step()
        return SymmetricRatchet(chain, self.receiving, self.previous_sending_length), self.sending.length, key

    def skip_receiving(self, until: int) -> tuple["SymmetricRatchet", list[tuple[int, MessageKey]]]:
        """Step the receiving chain until its next number is `until`.

        Returns:
            The ratchet, and numbers and keys of the messages that were passed, at most as many as can be stored.
        """
        chain = self.receiving
        if chain is None:
            raise UndecryptableMessage
        chain = chain.forward(max(0, until - chain.length - MAX_STORED))
        skipped: list[tuple[int, MessageKey]] = []
        while chain.length < until:
            number = chain.length
            chain, key = chain.step()
            skipped.append((number, key))
        return SymmetricRatchet(self.sending, chain, self.previous_sending_length), skipped

    def next_receiving(self) -> tuple["SymmetricRatchet", MessageKey]:
        """Step the receiving chain once."""
        if self.receiving is None:
            raise UndecryptableMessage
        chain, key = self.receiving.step()
        return SymmetricRatchet(self.sending, chain, self.previous_sending_length), key
