"""What each operation with OpenPGP needs to know. Paths are absolute: another process may carry the operation out."""

from dataclasses import dataclass
from typing import ClassVar

from handshaker_cli.operations.arguments import Arguments


@dataclass(frozen=True, slots=True)
class PgpExport(Arguments):
    """Show the own certificate, or write it to `file`; `name` puts a name in."""

    command: ClassVar[str] = "pgp_export"
    name: str | None = None
    file: str | None = None


@dataclass(frozen=True, slots=True)
class PgpExportSecret(Arguments):
    """Write the secret key to `file`, under the passphrase in the file `protect_with`."""

    command: ClassVar[str] = "pgp_export_secret"
    file: str
    protect_with: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class PgpImport(Arguments):
    """Keep the certificate in `file` for a contact."""

    command: ClassVar[str] = "pgp_import"
    to: str
    file: str


@dataclass(frozen=True, slots=True)
class PgpFetch(Arguments):
    """Get a contact's certificate from the server, and keep it."""

    command: ClassVar[str] = "pgp_fetch"
    to: str


@dataclass(frozen=True, slots=True)
class PgpShow(Arguments):
    """Show a contact's certificate that is here."""

    command: ClassVar[str] = "pgp_show"
    to: str


@dataclass(frozen=True, slots=True)
class PgpPublish(Arguments):
    """Have the server give out the own certificate."""

    command: ClassVar[str] = "pgp_publish"


@dataclass(frozen=True, slots=True)
class PgpUnpublish(Arguments):
    """Have the server forget it."""

    command: ClassVar[str] = "pgp_unpublish"


@dataclass(frozen=True, slots=True)
class PgpEncrypt(Arguments):
    """Encrypt a file; `to` has a contact a line, and may be empty."""

    command: ClassVar[str] = "pgp_encrypt"
    file: str
    output: str
    to: str = ""
    armor: bool = False


@dataclass(frozen=True, slots=True)
class PgpDecrypt(Arguments):
    """Decrypt a file."""

    command: ClassVar[str] = "pgp_decrypt"
    file: str
    output: str


@dataclass(frozen=True, slots=True)
class PgpSign(Arguments):
    """Sign a file; the signature goes to `output`."""

    command: ClassVar[str] = "pgp_sign"
    file: str
    output: str


@dataclass(frozen=True, slots=True)
class PgpVerify(Arguments):
    """Verify a file with its separate signature."""

    command: ClassVar[str] = "pgp_verify"
    file: str
    signature: str


@dataclass(frozen=True, slots=True)
class PgpHistory(Arguments):
    """Export all conversations; `to` has a contact a line, and may be empty."""

    command: ClassVar[str] = "pgp_history"
    output: str
    to: str = ""
