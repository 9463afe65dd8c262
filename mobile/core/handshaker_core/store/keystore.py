"""The platform's keystore: where it is switched on, a passphrase opens the vault only together with a secret kept there.

It is Windows' Credential Locker, macOS' Keychain or the Secret Service of a Linux desktop, through `keyring`. Whoever
copies the directory alone then has to guess 256 bits, not a passphrase.
"""

from typing import Any, Protocol

from handshaker_core.store.errors import KeystoreUnavailable
from handshaker_core.store.vault import KeystoreSecret

SERVICE = "handshaker"


class Keystore(Protocol):
    """Somewhere outside the home that keeps a secret under a name."""

    def get(self, name: bytes) -> KeystoreSecret | None:
        """The secret of that name; None where there is none. Raises: KeystoreUnavailable."""

    def put(self, name: bytes, secret: KeystoreSecret) -> None:
        """Keep a secret. Raises: KeystoreUnavailable."""

    def delete(self, name: bytes) -> None:
        """Forget a secret; one that is not there is no error. Raises: KeystoreUnavailable."""


class PlatformKeystore:
    """The keystore that `keyring` finds, if it is one that protects what it keeps."""

    def get(self, name: bytes) -> KeystoreSecret | None:
        keyring, backend = _backend()
        try:
            found = backend.get_password(SERVICE, name.hex())
        except keyring.errors.KeyringError as error:
            raise KeystoreUnavailable from error
        if found is None:
            return None
        try:
            return KeystoreSecret(bytes.fromhex(found))
        except ValueError:
            return None

    def put(self, name: bytes, secret: KeystoreSecret) -> None:
        keyring, backend = _backend()
        try:
            backend.set_password(SERVICE, name.hex(), secret.raw.hex())
        except keyring.errors.KeyringError as error:
            raise KeystoreUnavailable from error
        if self.get(name) != secret:
            raise KeystoreUnavailable("The keystore did not keep what it was given; nothing was changed.")

    def delete(self, name: bytes) -> None:
        keyring, backend = _backend()
        try:
            if backend.get_password(SERVICE, name.hex()) is not None:
                backend.delete_password(SERVICE, name.hex())
        except keyring.errors.KeyringError as error:
            raise KeystoreUnavailable from error


def _backend() -> tuple[Any, Any]:
    import keyring  # noqa: PLC0415 - it looks for every keystore there could be, which takes a while
    import keyring.errors  # noqa: PLC0415

    backend = keyring.get_keyring()
    try:
        protects = backend.priority >= 1
    except (RuntimeError, AttributeError):
        protects = False
    if not protects:
        raise KeystoreUnavailable(
            "There is no keystore here that protects what it keeps (on Linux: a Secret Service like GNOME Keyring,"
            " KeePassXC or KWallet, unlocked in this session); nothing was changed."
        )
    return keyring, backend
