"""The local part of panic, in steps that nothing may reorder: wraps, then files. No passphrase and no network is needed.

After the first step nothing opens the databases any more, whatever happens next; each step may be repeated, and a second
panic finishes what an interrupted one began. Locks are not asked for: an emergency does not wait.
"""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from handshaker_core.store import unlocking, vault_file
from handshaker_core.store.errors import KeystoreUnavailable, StoreUnusable
from handshaker_core.store.files import explained, sync_directory
from handshaker_core.store.keystore import Keystore, PlatformKeystore
from handshaker_core.store.vault import COPY_SIZE, Vault


def destroy(home: Path, *, keystore: Keystore | None = None, fault: Callable[[], None] = lambda: None) -> bool:
    """Destroy a home that need not be open.

    Args:
        home: the directory.
        keystore: where its secret may be.
        fault: called between any two steps, for tests.

    Returns:
        Whether there was anything.

    Raises:
        StoreUnusable: the operating system refused; every step that could be taken was.
    """
    found = any(True for _ in _files(home))
    keystore_id = _keystore_id(home)
    destroy_wraps(home)
    fault()
    delete_files(home, fault)
    if keystore_id is not None:
        fault()
        forget_secret(keystore or PlatformKeystore(), keystore_id)
    return found


def destroy_wraps(home: Path) -> None:
    """Overwrite the vault, and the file of an interrupted write beside it. Raises: StoreUnusable."""
    with explained(home):
        for name in (unlocking.VAULT, unlocking.VAULT + ".tmp"):
            vault_file.destroy(home / name)


def delete_files(home: Path, fault: Callable[[], None] = lambda: None) -> None:
    """Delete everything that a store consists of, databases first. Raises: StoreUnusable."""
    refused: OSError | None = None
    for path in _files(home):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            refused = error
        fault()
    with explained(home):
        if home.is_dir():
            sync_directory(home)
    if refused is not None:
        raise StoreUnusable(
            f"The keys are destroyed, but not every file in {home} could be deleted: {refused.strerror}."
        ) from refused


def forget_secret(keystore: Keystore, name: bytes) -> None:
    """Take the secret out of the platform's keystore; without the vault it opens nothing anyway."""
    with contextlib.suppress(KeystoreUnavailable):
        keystore.delete(name)


def _files(home: Path) -> Iterator[Path]:
    """What a store of any version may have left, the vault last so that an interrupted panic is seen for what it is."""
    yield from sorted(home.glob("messages*"))
    for name in (unlocking.LOCK, unlocking.VAULT + ".tmp", unlocking.VAULT):
        if (home / name).exists():
            yield home / name


def _keystore_id(home: Path) -> bytes | None:
    try:
        with (home / unlocking.VAULT).open("rb") as file:
            vault = Vault.decode(file.read(COPY_SIZE))
    except Exception:  # noqa: BLE001 - whatever is wrong with the vault must not keep it from being destroyed
        return None
    return vault.keystore_id if vault.uses_keystore else None
