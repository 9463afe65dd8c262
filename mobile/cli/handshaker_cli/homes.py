"""The directory of an account: where it is by default, and how one without a passphrase is unlocked."""

import secrets
from pathlib import Path

import platformdirs
from handshaker_core.store.files import explained, make_private_directory, write_atomically

_SECRET_BYTES = 32
_KEY_FILE = "no-passphrase"


def default_home() -> Path:
    """`~/.local/share/handshaker`, or what the system has in its place."""
    return Path(platformdirs.user_data_path("handshaker", appauthor=False))


def read_key_file(home: Path) -> str | None:
    """What unlocks an account that was made with `--no-passphrase`; None for other ones. Raises: StoreUnusable."""
    path = home / _KEY_FILE
    if not path.exists():
        return None
    with explained(home):
        return path.read_text("ascii", errors="replace").strip()


def make_key_file(home: Path) -> str:
    """Put a random passphrase beside the account: whoever can read the directory can unlock it. Raises: StoreUnusable."""
    existing = read_key_file(home)
    if existing is not None:
        return existing
    make_private_directory(home)
    secret = secrets.token_hex(_SECRET_BYTES)
    with explained(home):
        write_atomically(home / _KEY_FILE, f"{secret}\n".encode())
    return secret


def remove_key_file(home: Path) -> None:
    """Take away what an attempt with `--no-passphrase` left."""
    (home / _KEY_FILE).unlink(missing_ok=True)
