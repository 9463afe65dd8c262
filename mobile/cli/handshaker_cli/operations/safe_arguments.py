"""What the operations that protect an account need to know. Secrets never stand in a repr."""

from dataclasses import dataclass, field
from typing import ClassVar

from handshaker_cli.operations.arguments import Arguments


@dataclass(frozen=True, slots=True)
class ShowPhrase(Arguments):
    """Show the recovery phrase; the passphrase is asked for again."""

    command: ClassVar[str] = "phrase"
    passphrase: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CheckPhrase(Arguments):
    """See whether these words are the recovery phrase."""

    command: ClassVar[str] = "phrase_check"
    words: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ChangePassphrase(Arguments):
    """Unlock with another passphrase from now on."""

    command: ClassVar[str] = "passphrase_change"
    old: str = field(repr=False)
    new: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Keystore(Arguments):
    """Switch the keystore `on` or `off`, or show its `status`."""

    command: ClassVar[str] = "keystore"
    action: str = "status"


@dataclass(frozen=True, slots=True)
class SetDuress(Arguments):
    """Make the home in the directory `other`, which `passphrase` opens, the decoy; null makes a new one."""

    command: ClassVar[str] = "duress_set"
    passphrase: str = field(repr=False)
    other: str | None = None


@dataclass(frozen=True, slots=True)
class ClearDuress(Arguments):
    """Give the decoy up; the passphrase is asked for again."""

    command: ClassVar[str] = "duress_off"
    passphrase: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CreateBackup(Arguments):
    """Write an encrypted backup."""

    command: ClassVar[str] = "backup_create"
    file: str


@dataclass(frozen=True, slots=True)
class RestoreBackup(Arguments):
    """Take a backup's contacts and messages; `words` is another account's recovery phrase."""

    command: ClassVar[str] = "backup_restore"
    file: str
    words: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Disappear(Arguments):
    """Let new messages disappear after `seconds`; 0 lets them stay, null shows how it is."""

    command: ClassVar[str] = "disappear"
    connected: ClassVar[bool] = True
    to: str
    seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Panic(Arguments):
    """Destroy everything."""

    command: ClassVar[str] = "panic"
