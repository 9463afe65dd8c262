"""A second implementation that is not ours agrees in both directions: Sequoia."""

import os
import time
from io import BytesIO

import pysequoia
import pytest
from handshaker_core.openpgp.armor import ArmorType, armor
from handshaker_core.openpgp.errors import OpenPgpError
from handshaker_core.openpgp.reading import read_message, verify_detached
from handshaker_core.openpgp.secret import secret_key
from handshaker_core.openpgp.writing import Encryptor, sign_detached

from .gnupg import PASSPHRASE

CONTENT = b"Dinner at eight? " * 10_000


@pytest.fixture(scope="module")
def theirs(certificate):
    return pysequoia.Cert.from_bytes(certificate.encoded)


@pytest.fixture(scope="module")
def secret(own):
    exported = armor(ArmorType.PRIVATE_KEY, secret_key(own, PASSPHRASE, os.urandom))
    return pysequoia.Tsk.from_bytes(exported.encode())


def test_it_sees_the_same_certificate(theirs, certificate):
    assert theirs.fingerprint == certificate.fingerprint.hex()
    assert [str(user_id) for user_id in theirs.user_ids] == list(certificate.user_ids)
    assert (theirs.is_revoked, theirs.expiration) == (False, None)


def test_it_reads_what_we_encrypt_and_refuses_what_was_altered(theirs, secret, own, certificate):
    encryptor = Encryptor([certificate], own, now=time.time(), rng=os.urandom)
    message = encryptor.update(CONTENT) + encryptor.finish()

    def decrypted(data):
        return pysequoia.decrypt(decryptor=secret.decryptor(PASSPHRASE), bytes=data, store=lambda _: [theirs])

    assert decrypted(message).bytes == CONTENT
    assert [signature.certificate for signature in decrypted(message).valid_sigs] == [theirs.fingerprint]
    altered = bytearray(message)
    altered[len(altered) // 2] ^= 1
    with pytest.raises(Exception, match=r"."):  # of its own kinds
        decrypted(bytes(altered))
    assert decrypted(message).bytes == CONTENT


def test_we_read_what_it_encrypts_and_signs(theirs, secret, own, certificate):
    signer = secret.signer(PASSPHRASE)
    message = pysequoia.encrypt(signer=signer, recipients=[theirs], bytes=CONTENT)

    def read(data):
        content = bytearray()
        result = read_message(BytesIO(data), content.extend, own, lambda _: certificate, now=time.time() + 60)
        return result.signature.signer, bytes(content)

    assert read(message) == (certificate, CONTENT)
    with pytest.raises(OpenPgpError):
        read(message[:1000] + message[1000:1100].swapcase() + message[1100:])
    signature = pysequoia.sign(signer=signer, bytes=CONTENT, mode=pysequoia.SignatureMode.DETACHED)
    judged = verify_detached(BytesIO(CONTENT), signature, lambda _: certificate, now=time.time() + 60)
    assert judged.signer is certificate
    with pytest.raises(OpenPgpError):
        verify_detached(BytesIO(CONTENT + b"!"), signature, lambda _: certificate, now=time.time() + 60)


def test_it_verifies_what_we_sign(theirs, own):
    signature = pysequoia.Sig.from_bytes(sign_detached(BytesIO(CONTENT), own, now=time.time()))

    def valid(content):
        return pysequoia.verify(bytes=content, store=lambda _: [theirs], signature=signature).valid_sigs

    assert [found.certificate for found in valid(CONTENT)] == [theirs.fingerprint]
    with pytest.raises(Exception, match=r"."):  # of its own kinds
        valid(CONTENT + b"!")
