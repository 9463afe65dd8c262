"""The Diffie-Hellman ratchet (Double Ratchet, section 2.3), over the symmetric-key ratchet.

A new own key pair is made when the next message is sent, not when the peer's key arrives ("deferring new ratchet key
generation"): decrypting needs no randomness, and the private key exists for a shorter time.
"""

from dataclasses import dataclass

from handshaker_core.errors import NoSendingChain
from handshaker_core.protocol.kdf_chain import root_step
from handshaker_core.protocol.keys import RatchetKeyPair, RootKey, X25519PublicKey
from handshaker_core.protocol.profile import Profile
from handshaker_core.protocol.randomness import Randomness
from handshaker_core.protocol.symmetric_ratchet import SymmetricRatchet


@dataclass(frozen=True, slots=True)
class DiffieHellmanRatchet:
    """State of the ratchet.

    Attributes:
        root: key of the root chain (RK).
        own: the key pair of the current or last sending chain (DHs).
        remote: the peer's current ratchet key (DHr), None for a responder before the first message.
        chains: the symmetric-key ratchet.
    """

    root: RootKey
    own: RatchetKeyPair
    remote: X25519PublicKey | None
    chains: SymmetricRatchet

    def receive_key(self, profile: Profile, remote: X25519PublicKey) -> "DiffieHellmanRatchet":
        """The first half of a ratchet step: the peer's new key starts a receiving chain. Raises: LowOrderPoint."""
        root, chain_key = root_step(self.root, self.own.private.agree(remote), profile.root_info)
        return DiffieHellmanRatchet(root, self.own, remote, self.chains.with_receiving(chain_key))

    def prepare_sending(self, profile: Profile, rng: Randomness) -> "DiffieHellmanRatchet":
        """The second half, when it is due: a new own key pair starts a sending chain.

        Raises:
            NoSendingChain: the peer's ratchet key is not known yet.
        """
        if self.chains.sending is not None:
            return self
        return self.start_sending(profile, RatchetKeyPair.generate(rng))

    def start_sending(self, profile: Profile, own: RatchetKeyPair) -> "DiffieHellmanRatchet":
        """Begin a sending chain with the given key pair. Raises: NoSendingChain."""
        if self.remote is None:
            raise NoSendingChain
        root, chain_key = root_step(self.root, own.private.agree(self.remote), profile.root_info)
        return DiffieHellmanRatchet(root, own, self.remote, self.chains.with_sending(chain_key))
