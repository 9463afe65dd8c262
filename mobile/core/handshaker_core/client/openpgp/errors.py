"""What a person asked for with OpenPGP that cannot be done. None of these changes anything."""

from pathlib import Path

from handshaker_core.client.errors import UsageError


class NoOpenPgpKey(UsageError):
    """The account has no root seed to derive the key from."""

    reason = "no_openpgp_key"
    sentence = (
        "This account was made by an early version and has no recovery seed, which the OpenPGP key follows from; "
        "only a new account has one."
    )


class NoCertificate(UsageError):
    """No certificate of a contact is here."""

    reason = "no_certificate"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no OpenPGP certificate of {name} here; fetch or import it first.")


class NotPublished(UsageError):
    """The server has none."""

    reason = "certificate_not_published"
    sentence = "This contact has not published an OpenPGP certificate; ask them for a file, and import that."


class ForeignCertificate(UsageError):
    """A certificate that belongs to somebody else than the contact it was given for."""

    reason = "foreign_certificate"
    sentence = (
        "This certificate belongs to somebody else, not to this contact: it names another identity. It was not kept."
    )


class FileUnusable(UsageError):
    """The operating system refused."""

    reason = "file_unusable"

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(f"The file {path} cannot be used: {error.strerror or 'unknown cause'}.")
