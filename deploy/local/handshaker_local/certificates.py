"""An authority of our own and one certificate for each service, so that mutual TLS runs on one machine as it does on many.

A leaf names its service three ways: the URI spiffe://handshaker/<service> (by which callers are told apart), the DNS name
<service>.handshaker (which whoever calls it expects), and localhost.
"""

import datetime as dt
import ipaddress
import os
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY = "ca"
AUTHORITY_DAYS = 3650
LEAF_DAYS = 90
RENEW_DAYS = 30  # a running system keeps what it has read, so what is left must outlast a long run
Pair = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]
BACKDATED = dt.timedelta(hours=1)  # clocks differ


class Certificates:
    """The certificates in `folder`. `ensure` makes those that are missing, unreadable or near their end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def authority_file(self) -> Path:
        return self.certificate_file(AUTHORITY)

    def certificate_file(self, name: str) -> Path:
        return self._folder / f"{name}.crt"

    def key_file(self, name: str) -> Path:
        return self._folder / f"{name}.key"

    def ensure(self, services: list[str], now: dt.datetime) -> None:
        """Makes what is needed for at least RENEW_DAYS from `now`. A new authority replaces all leaves."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        authority = self._current(AUTHORITY, now)
        if authority is None:
            authority = self._make_authority(now)
        for service in services:
            leaf = self._current(service, now)
            if leaf is None or not _signed_by(authority[0], leaf[0]):
                self._make_leaf(service, authority, now)

    def _current(self, name: str, now: dt.datetime) -> Pair | None:
        try:
            certificate = x509.load_pem_x509_certificate(self.certificate_file(name).read_bytes())
            key = serialization.load_pem_private_key(self.key_file(name).read_bytes(), None)
        except (FileNotFoundError, ValueError):
            return None
        fits = isinstance(key, ec.EllipticCurvePrivateKey) and key.public_key() == certificate.public_key()
        lasts = certificate.not_valid_after_utc > now + dt.timedelta(days=RENEW_DAYS)
        if fits and lasts and certificate.not_valid_before_utc <= now:
            assert isinstance(key, ec.EllipticCurvePrivateKey)  # noqa: S101 - `fits` says so
            return certificate, key
        return None

    def _make_authority(self, now: dt.datetime) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("Handshaker on this machine")
        builder = (
            _builder(name, name, key, now, AUTHORITY_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
        )
        certificate = builder.sign(key, hashes.SHA256())
        self._write(AUTHORITY, certificate, key)
        return certificate, key

    def _make_leaf(self, service: str, authority: Pair, now: dt.datetime) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [
            x509.UniformResourceIdentifier(f"spiffe://handshaker/{service}"),
            x509.DNSName(f"{service}.handshaker"),
            x509.DNSName("localhost"),
            x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        ]
        both_ends = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = (
            _builder(_name(service), authority[0].subject, key, now, LEAF_DAYS)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(both_ends), critical=False)
            .add_extension(_issuer_key(authority[0]), critical=False)
        )
        self._write(service, builder.sign(authority[1], hashes.SHA256()), key)

    def _write(self, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        """The key first: a certificate without its key would look whole after a crash."""
        pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        write_secret(self.key_file(name), key.private_bytes(pem, pkcs8, serialization.NoEncryption()))
        write_secret(self.certificate_file(name), certificate.public_bytes(pem))


def write_secret(path: Path, content: bytes) -> None:
    """Writes a file that its owner alone may read; it appears whole or not at all."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.unlink(missing_ok=True)
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    scratch.replace(path)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _signed_by(authority: x509.Certificate, leaf: x509.Certificate) -> bool:
    try:
        leaf.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: dt.datetime, days: int
) -> x509.CertificateBuilder:
    public = key.public_key()
    return (
        x509.CertificateBuilder(issuer, subject, public, x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _issuer_key(authority: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    identifier = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
