"""The root seed: the one secret from which everything that a person must be able to recover is derived.

It is what the recovery phrase spells. It stays on the person's own primary device (and on paper); linked devices never
hold it. Everything else, sessions and device keys above all, is random and is not derived from it.
"""

from dataclasses import dataclass
from typing import Self

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from handshaker_core.protocol.keys import IdentityKeyPair, SecretBytes
from handshaker_core.protocol.labels import Label
from handshaker_core.protocol.randomness import Randomness, system_randomness

_DERIVED_SIZE = 32


class RecoveryAuthSeed(SecretBytes):
    """Ed25519 seed of the key that logs an account in when every device is lost."""

    __slots__ = ()


class BackupKey(SecretBytes):
    """AES-256 key of encrypted backups."""

    __slots__ = ()


class StoreRecoveryKey(SecretBytes):
    """What opens the local store when the passphrase is forgotten or the keystore lost."""

    __slots__ = ()


class OpenPgpPrimarySeed(SecretBytes):
    """Ed25519 seed of the OpenPGP certificate's primary key."""

    __slots__ = ()


class OpenPgpEncryptionSeed(SecretBytes):
    """X25519 private key of the OpenPGP certificate's encryption subkey."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, repr=False)
class RootSeed(SecretBytes):
    """32 uniform bytes."""

    @classmethod
    def generate(cls, rng: Randomness = system_randomness) -> Self:
        """A fresh one."""
        return cls(rng(cls.SIZE))

    def identity(self) -> IdentityKeyPair:
        """The person's identity."""
        return IdentityKeyPair(self._derive(Label.ROOT_IDENTITY))

    def recovery_auth(self) -> RecoveryAuthSeed:
        """What logs in when every device is lost."""
        return RecoveryAuthSeed(self._derive(Label.ROOT_RECOVERY))

    def backup_key(self) -> BackupKey:
        """What encrypts backups."""
        return BackupKey(self._derive(Label.ROOT_BACKUP))

    def store_recovery(self) -> StoreRecoveryKey:
        """What opens the local store besides the passphrase."""
        return StoreRecoveryKey(self._derive(Label.ROOT_STORE_RECOVERY))

    def openpgp_primary(self) -> OpenPgpPrimarySeed:
        """What signs and certifies as OpenPGP."""
        return OpenPgpPrimarySeed(self._derive(Label.ROOT_OPENPGP_PRIMARY))

    def openpgp_encryption(self) -> OpenPgpEncryptionSeed:
        """What decrypts OpenPGP messages."""
        return OpenPgpEncryptionSeed(self._derive(Label.ROOT_OPENPGP_ENCRYPTION))

    def _derive(self, label: Label) -> bytes:
        """HKDF-SHA256 (RFC 5869) without salt, one label a purpose."""
        return HKDF(SHA256(), _DERIVED_SIZE, None, label.value).derive(self.raw)
