"""Auth's settings: environment variables HANDSHAKER_…, checked at start."""

from pathlib import Path
from typing import Annotated

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from handshaker_common.config import DatabaseSettings, SecretFile, ServiceSettings
from pydantic import AfterValidator, Field

from handshaker_auth.domain.access_tokens import BadSigningKey, read_signing_key
from handshaker_auth.domain.admission import HARDEST_BITS, Purpose
from handshaker_auth.domain.anonymous_tokens import BadIssuerKey, IssuerKey


def signing_keys_in(path: Path) -> list[Ed25519PrivateKey]:
    """The keys in a file, or in all files of a folder in the order of their names; dotted names are passed over.

    Raises:
        BadSigningKey: one of them is no Ed25519 private key; the text says which and why, never what it holds.
        OSError: it cannot be read.
    """
    keys = []
    for file in _files(path):
        try:
            keys.append(read_signing_key(file.read_bytes()))
        except BadSigningKey as error:
            raise BadSigningKey(f"{file.name} holds {error}") from error
    if not keys:
        raise BadSigningKey("names a folder without any key in it")
    return keys


def issuer_keys_in(path: Path | None) -> list[IssuerKey]:
    """The issuer keys in a file, or in all files of a folder in the order of their names; none for None.

    Raises:
        BadIssuerKey: one of them is no such key, or there is none; the text says which and why, never what it holds.
        OSError: it cannot be read.
    """
    keys = []
    for file in [] if path is None else _files(path):
        try:
            keys.append(IssuerKey.read(file.read_bytes()))
        except BadIssuerKey as error:
            raise BadIssuerKey(f"{file.name} holds {error}") from error
    if path is not None and not keys:
        raise BadIssuerKey("names a folder without any key in it")
    return keys


def _files(path: Path) -> list[Path]:
    """A file, or the files of a folder. A mounted Kubernetes secret has dotted folders beside its files."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return [file for file in files if not file.name.startswith(".") and not file.is_dir()]


def _holds_issuer_keys(path: Path | None) -> Path | None:
    try:
        issuer_keys_in(path)
    except OSError as error:
        raise ValueError(f"cannot be read ({type(error).__name__})") from error
    return path


def _holds_signing_keys(path: Path) -> Path:
    try:
        signing_keys_in(path)
    except OSError as error:
        raise ValueError(f"cannot be read ({type(error).__name__})") from error
    return path


def _bits(default: int, what: str) -> int:
    bits: int = Field(default, ge=0, le=HARDEST_BITS, description=f"Proof of work for {what}, in leading zero bits.")
    return bits


class AuthSettings(DatabaseSettings, ServiceSettings):
    """What auth takes beside what every service takes."""

    signing_keys: Annotated[Path, AfterValidator(_holds_signing_keys)] = Field(
        description="Ed25519 private keys of access tokens: a file, or a folder of files (32 raw bytes or PKCS #8 PEM "
        "each). The last by name signs, all are published. Name them by date; add one to rotate, and remove the old "
        "one ten minutes after all processes have the new one."
    )
    challenge_secret_file: SecretFile = Field(
        description="At least 32 random bytes, the same for all processes of auth: the key of challenges."
    )
    issuer_keys: Annotated[Path | None, AfterValidator(_holds_issuer_keys)] = Field(
        None,
        description="RSA private keys of 2,048 bits that issue anonymous tokens: a file, or a folder of files (PEM "
        "each). The last by name signs; tokens of the one before are still taken. Name them by date; add one a month, "
        "and remove those that are older than the last two. Without it no tokens are offered, and every anonymous call "
        "costs a proof of work.",
    )
    tokens_a_day: int = Field(100, ge=1, le=10_000, description="Anonymous tokens that an account may have on a day.")
    pow_bits_registration: int = _bits(18, "a registration")
    pow_bits_mailbox: int = _bits(12, "a mailbox")
    pow_bits_lookup: int = _bits(14, "a username lookup")
    pow_bits_first_contact: int = _bits(14, "a stranger's bundle")
    pow_bits_wake_target: int = _bits(12, "a wake target")
    refresh_days: int = Field(30, ge=1, le=365, description="A login that was not used for so many days ends.")
    clean_seconds: float = Field(60, gt=0, le=3600, description="How often what has expired is deleted.")

    def difficulty(self, purpose: Purpose) -> int:
        """Leading zero bits to ask for."""
        bits: int = getattr(self, f"pow_bits_{purpose.name.lower()}")
        return bits
