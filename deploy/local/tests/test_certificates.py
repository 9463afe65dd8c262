"""Certificates: what a leaf says, who accepts it, and when it is replaced."""

import datetime as dt
import socket
import ssl
import stat
import threading
from pathlib import Path

import pytest
from cryptography import x509
from handshaker_local.certificates import LEAF_DAYS, RENEW_DAYS, Certificates

NOW = dt.datetime.now(dt.UTC)


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    made = Certificates(tmp_path / "certificates")
    made.ensure(["auth", "keys"], NOW)
    return made


def context(certificates: Certificates, service: str, protocol: int) -> ssl.SSLContext:
    made = ssl.SSLContext(protocol)
    made.load_cert_chain(certificates.certificate_file(service), certificates.key_file(service))
    made.load_verify_locations(certificates.authority_file)
    made.verify_mode = ssl.CERT_REQUIRED
    return made


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> dict:
    """What the server learns about the client."""
    here, there = socket.socketpair()
    seen: list[dict | Exception] = []

    def accept() -> None:
        try:
            with server.wrap_socket(there, server_side=True) as tls:
                seen.append(tls.getpeercert())
                tls.recv(1)
        except (ssl.SSLError, OSError) as error:
            seen.append(error)
            there.close()

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        with client.wrap_socket(here, server_hostname=name) as tls:
            tls.send(b"x")
    finally:
        here.close()
        thread.join()
    if isinstance(seen[0], Exception):
        raise seen[0]
    return seen[0]


@pytest.mark.parametrize("name", ["keys.handshaker", "localhost", "127.0.0.1"])
def test_two_services_prove_themselves_to_each_other(certificates: Certificates, name: str):
    server = context(certificates, "keys", ssl.PROTOCOL_TLS_SERVER)
    peer = handshake(server, context(certificates, "auth", ssl.PROTOCOL_TLS_CLIENT), name)
    assert ("URI", "spiffe://handshaker/auth") in peer["subjectAltName"]


def test_a_service_cannot_pass_for_another(certificates: Certificates):
    server = context(certificates, "keys", ssl.PROTOCOL_TLS_SERVER)
    with pytest.raises(ssl.SSLCertVerificationError, match=r"auth\.handshaker"):
        handshake(server, context(certificates, "auth", ssl.PROTOCOL_TLS_CLIENT), "auth.handshaker")


def test_another_authority_is_refused(certificates: Certificates, tmp_path: Path):
    strangers = Certificates(tmp_path / "elsewhere")
    strangers.ensure(["auth"], NOW)
    client = context(strangers, "auth", ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(certificates.authority_file)
    with pytest.raises(ssl.SSLError):
        handshake(context(certificates, "keys", ssl.PROTOCOL_TLS_SERVER), client, "keys.handshaker")


def test_private_files_are_the_owners_alone(certificates: Certificates):
    for name in ("ca", "auth", "keys"):
        assert stat.S_IMODE(certificates.key_file(name).stat().st_mode) == 0o600
    assert stat.S_IMODE(certificates.authority_file.parent.stat().st_mode) == 0o700


def test_good_certificates_stay_and_those_near_their_end_are_replaced(certificates: Certificates):
    before = certificates.certificate_file("auth").read_bytes()
    authority = certificates.authority_file.read_bytes()
    certificates.ensure(["auth", "keys"], NOW + dt.timedelta(days=LEAF_DAYS - RENEW_DAYS - 1))
    assert certificates.certificate_file("auth").read_bytes() == before
    later = NOW + dt.timedelta(days=LEAF_DAYS - RENEW_DAYS + 1)
    certificates.ensure(["auth", "keys"], later)
    renewed = x509.load_pem_x509_certificate(certificates.certificate_file("auth").read_bytes())
    assert renewed.not_valid_after_utc > later + dt.timedelta(days=RENEW_DAYS)
    assert certificates.authority_file.read_bytes() == authority


@pytest.mark.parametrize("lost", ["ca.key", "ca.crt", "auth.key", "auth.crt"])
def test_whatever_is_lost_or_damaged_is_made_again_and_fits(certificates: Certificates, lost: str):
    (certificates.authority_file.parent / lost).write_text("damaged")
    certificates.ensure(["auth", "keys"], NOW)
    server = context(certificates, "keys", ssl.PROTOCOL_TLS_SERVER)
    assert handshake(server, context(certificates, "auth", ssl.PROTOCOL_TLS_CLIENT), "keys.handshaker")
