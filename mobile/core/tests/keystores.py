"""A keyring backend with a real file, for machines without a desktop: what `keyring` finds when it is told to."""

import json
import os
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError


class FileKeyring(KeyringBackend):
    """Keeps secrets in the file that KEYRING_TEST_FILE names, as a protected backend would."""

    priority = 5

    @property
    def _path(self) -> Path:
        return Path(os.environ["KEYRING_TEST_FILE"])

    def _load(self) -> dict[str, str]:
        return json.loads(self._path.read_text()) if self._path.exists() else {}

    def get_password(self, service: str, username: str) -> str | None:
        return self._load().get(f"{service}/{username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        self._path.write_text(json.dumps(self._load() | {f"{service}/{username}": password}))

    def delete_password(self, service: str, username: str) -> None:
        kept = self._load()
        if kept.pop(f"{service}/{username}", None) is None:
            raise PasswordDeleteError
        self._path.write_text(json.dumps(kept))


class Unprotected(FileKeyring):
    """Says of itself that it is no good, as backends that keep plain text do."""

    priority = 0.5


class Forgetful(FileKeyring):
    """Takes everything and keeps nothing."""

    def set_password(self, service: str, username: str, password: str) -> None:
        del service, username, password
