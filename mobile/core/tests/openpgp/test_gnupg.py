"""The real gpg agrees, in both directions; and both refuse what was altered."""

import os
from io import BytesIO

import pytest
from handshaker_core.openpgp.armor import ArmorType, armor
from handshaker_core.openpgp.binding import NOTATION_NAME, verify_binding
from handshaker_core.openpgp.certificate import Certificate
from handshaker_core.openpgp.errors import (
    BadOpenPgpSignature,
    CertificateRevoked,
    NotBound,
    OpenPgpError,
    OpenPgpExpired,
    SecretKeyGiven,
    UnsupportedOpenPgp,
)
from handshaker_core.openpgp.own import OwnKey
from handshaker_core.openpgp.reading import GoodSignature, UnknownSigner, read_message, verify_detached
from handshaker_core.openpgp.secret import secret_key
from handshaker_core.openpgp.writing import Encryptor, sign_detached
from handshaker_core.protocol.root import RootSeed

from .gnupg import PASSPHRASE

NOW = 1_800_000_000.0
AFTER = 4_000_000_000.0
TEXT = b"Dinner at eight? \xf0\x9f\x8d\x9d\r\n"


def encrypted(own, recipients, content, now=NOW):
    encryptor = Encryptor(recipients, own, now=now, rng=os.urandom)
    return encryptor.update(content) + encryptor.finish()


def opened(own, data, *known):
    content = []
    find = {certificate.primary.key_id: certificate for certificate in known}.get
    result = read_message(BytesIO(data), content.append, own, find, now=AFTER)
    assert sum(map(len, content)) == result.size
    return result, b"".join(content)


def accepted(content, signature, find):
    try:
        return isinstance(verify_detached(BytesIO(content), signature, find, now=AFTER), GoodSignature)
    except OpenPgpError:
        return False


def flipped(data, positions):
    for position in positions:
        altered = bytearray(data)
        altered[position] ^= 0x01
        yield position, bytes(altered)


def fingerprints(listing):
    return [line.split(":")[9] for line in listing.decode().splitlines() if line.startswith("fpr:")]


def test_gpg_imports_the_certificate_and_sees_what_we_see(fresh_gnupg, own, certificate):
    fresh_gnupg.import_(armor(ArmorType.PUBLIC_KEY, certificate.encoded).encode()).ok()
    listing = fresh_gnupg.run("--with-colons", "--with-subkey-fingerprint", "--list-keys").ok()
    assert fingerprints(listing) == [key.fingerprint.hex().upper() for key in (own.public, own.encryption)]
    uids = [line.split(":")[9] for line in listing.decode().splitlines() if line.startswith("uid:")]
    assert uids == list(certificate.user_ids) == ["Handshaker A6C8 EE0A D2B0 E610"]
    keys = {
        line.split(":")[0]: line.split(":")[11] for line in listing.decode().splitlines() if line[:3] in ("pub", "sub")
    }
    assert keys == {"pub": "scESC", "sub": "e"}
    shown = fresh_gnupg.run("--list-options", "show-notations", "--check-sigs").ok().decode()
    assert f"Signature notation: {NOTATION_NAME}=" in shown
    assert shown.count("sig!") == 3
    assert "sig-" not in shown


def test_gpg_gives_back_the_certificate_byte_for_byte_in_content(gnupg, own, certificate):
    returned = Certificate.decode(gnupg.run("--export").ok())
    assert verify_binding(returned, own.identity.public).certificate.fingerprint == certificate.fingerprint
    assert (returned.user_ids, returned.subkeys, returned.notations) == (
        certificate.user_ids,
        certificate.subkeys,
        certificate.notations,
    )


@pytest.mark.parametrize("size", [0, 1, 65_529, 65_530, 65_531, 200_000])
def test_what_gpg_encrypts_we_read_and_what_we_encrypt_gpg_reads(gnupg, own, certificate, size):
    content = os.urandom(size)
    theirs = gnupg.run("--encrypt", "--sign", "-r", certificate.fingerprint.hex(), stdin=content).ok()
    result, read = opened(own, theirs, certificate)
    assert (result.encrypted, read) == (True, content)
    assert isinstance(result.signature, GoodSignature)
    assert result.signature.signer is certificate
    decrypting = gnupg.run("--decrypt", stdin=encrypted(own, [certificate], content))
    assert decrypting.ok() == content
    assert "GOODSIG" in decrypting.err
    assert "DECRYPTION_OKAY" in decrypting.err


def test_armored_messages_cross_too(gnupg, own, certificate):
    theirs = gnupg.run("--armor", "--encrypt", "-r", certificate.fingerprint.hex(), stdin=TEXT).ok()
    result, read = opened(own, theirs, certificate)
    assert (result.signature, read) == (None, TEXT)
    ours = armor(ArmorType.MESSAGE, encrypted(own, [certificate], TEXT)).encode()
    assert gnupg.run("--decrypt", stdin=ours).ok() == TEXT


def test_a_message_for_several_opens_for_each(gnupg, own, other, certificate):
    message = encrypted(other, [other.certificate(), certificate], TEXT)
    assert opened(own, message, other.certificate())[1] == opened(other, message, other.certificate())[1] == TEXT
    gnupg.import_(other.certificate().encoded).ok()
    assert gnupg.run("--decrypt", stdin=message).ok() == TEXT
    hidden = gnupg.run("--encrypt", "-R", certificate.fingerprint.hex(), stdin=TEXT).ok()
    assert opened(own, hidden)[1] == TEXT


def test_an_altered_message_fails_on_both_sides(gnupg, own, certificate):
    ours = encrypted(own, [certificate], TEXT * 20)
    theirs = gnupg.run("--encrypt", "--sign", "-r", certificate.fingerprint.hex(), stdin=TEXT * 20).ok()
    for message in (ours, theirs):
        assert opened(own, message, certificate)[1] == TEXT * 20
        for _, altered in flipped(message, range(len(message))):
            with pytest.raises(OpenPgpError):
                opened(own, altered, certificate)
        for end in range(0, len(message), 7):
            with pytest.raises(OpenPgpError):
                opened(own, message[:end], certificate)
        assert opened(own, message, certificate)[1] == TEXT * 20
    for position, altered in flipped(ours, [30, len(ours) // 2, len(ours) - 1]):
        assert "DECRYPTION_OKAY" not in gnupg.run("--decrypt", stdin=altered).failed(), position
    assert gnupg.run("--decrypt", stdin=ours).ok() == TEXT * 20


def test_detached_signatures_cross_and_fail_for_anything_else(gnupg, own, certificate):
    document = gnupg.file("document", TEXT)
    find = {certificate.primary.key_id: certificate}.get
    theirs = gnupg.run("--detach-sign", "--output", "-", document).ok()
    ours = sign_detached(BytesIO(TEXT), own, now=NOW)
    for signature in (theirs, ours, armor(ArmorType.SIGNATURE, theirs).encode()):
        assert verify_detached(BytesIO(TEXT), signature, find, now=AFTER).signer is certificate
        with pytest.raises(BadOpenPgpSignature):
            verify_detached(BytesIO(TEXT + b"!"), signature, find, now=AFTER)
    # gpg leaves the issuer's key id unsigned and decides nothing by it; everything else counts.
    assert 0 < sum(accepted(TEXT, altered, find) for _, altered in flipped(theirs, range(len(theirs)))) <= 10
    assert not any(accepted(TEXT, altered, find) for _, altered in flipped(ours, range(len(ours))))
    signature = gnupg.file("document.sig", ours)
    assert "GOODSIG" in gnupg.run("--verify", signature, document).good()
    altered = gnupg.file("altered", TEXT + b"!")
    assert "BADSIG" in gnupg.run("--verify", signature, altered).failed()
    assert "GOODSIG" in gnupg.run("--verify", signature, document).good()


def test_what_gpg_signs_without_encrypting_is_read_though_it_is_compressed(gnupg, own, certificate):
    for options in ([], ["-z", "0"], ["--compress-algo", "zlib"]):
        signed = gnupg.run(*options, "--sign", stdin=TEXT * 1000).ok()
        result, read = opened(own, signed, certificate)
        assert (result.encrypted, read) == (False, TEXT * 1000)
        assert result.signature.signer is certificate
        with pytest.raises(OpenPgpError):
            opened(own, signed[:-40] + bytes(len(signed[-40:])), certificate)


def test_a_signature_by_somebody_unknown_is_no_good_signature(gnupg, own, certificate):
    signed = gnupg.run("--sign", stdin=TEXT).ok()
    result, _ = opened(own, signed)
    assert result.signature == UnknownSigner(certificate.primary.key_id)


def test_the_secret_key_is_worth_nothing_without_its_passphrase(fresh_gnupg, own, certificate):
    exported = armor(ArmorType.PRIVATE_KEY, secret_key(own, PASSPHRASE, os.urandom)).encode()
    message = encrypted(own, [certificate], TEXT)
    assert "NO_SECKEY" in fresh_gnupg.run("--decrypt", stdin=message).failed()
    fresh_gnupg.import_(exported).ok()  # gpg keeps it as it comes, protected
    fresh_gnupg.run("--decrypt", stdin=message, passphrase="wrong").failed()
    assert fresh_gnupg.run("--decrypt", stdin=message).ok() == TEXT
    fresh_gnupg.forget_passphrases()
    fresh_gnupg.run("--decrypt", stdin=message, passphrase="wrong").failed()
    with pytest.raises(SecretKeyGiven):
        Certificate.decode(exported)


def test_keys_and_signatures_with_leading_zeros_are_written_as_gpg_reads_them(fresh_gnupg):
    roots = (RootSeed(number.to_bytes(32, "big")) for number in range(10_000))
    own = OwnKey.derive(next(root for root in roots if root.openpgp_primary().raw[0] == 0))
    fresh_gnupg.import_(secret_key(own, PASSPHRASE, os.urandom)).ok()
    certificate = own.certificate()
    signatures = {number: sign_detached(BytesIO(b"%d" % number), own, now=NOW) for number in range(600)}
    full = max(map(len, signatures.values()))
    short = [number for number, signature in signatures.items() if len(signature) < full]
    assert short
    find = {certificate.primary.key_id: certificate}.get
    for number in short[:3]:
        content, signature = b"%d" % number, signatures[number]
        assert verify_detached(BytesIO(content), signature, find, now=AFTER).signer is certificate
        document, beside = fresh_gnupg.file("document", content), fresh_gnupg.file("signature", signature)
        assert "GOODSIG" in fresh_gnupg.run("--verify", beside, document).good()
    theirs = fresh_gnupg.run("--sign", "--encrypt", "-r", certificate.fingerprint.hex(), stdin=TEXT).ok()
    assert opened(own, theirs, certificate)[1] == TEXT


def test_keys_that_gpg_has_made_can_be_encrypted_to_but_are_nobodys_here(fresh_gnupg, own):
    fresh_gnupg.run("--quick-generate-key", "Carol <carol@example.org>", "ed25519", "sign,cert", "0").ok()
    fingerprint = fingerprints(fresh_gnupg.run("--with-colons", "--list-keys").ok())[0]
    fresh_gnupg.run("--quick-add-key", fingerprint, "cv25519", "encrypt", "0").ok()
    carol = Certificate.decode(fresh_gnupg.run("--armor", "--export").ok())
    fresh_gnupg.import_(own.certificate().encoded).ok()
    assert carol.user_ids == ("Carol <carol@example.org>",)
    assert fresh_gnupg.run("--decrypt", stdin=encrypted(own, [carol], TEXT)).ok() == TEXT
    signed = fresh_gnupg.run("--sign", stdin=TEXT).ok()
    assert opened(own, signed, carol)[0].signature.signer is carol
    with pytest.raises(NotBound):
        verify_binding(carol)


def test_keys_of_other_kinds_are_named_as_such(fresh_gnupg):
    fresh_gnupg.run("--quick-generate-key", "dave", "rsa2048", "default", "0", passphrase="").ok()
    with pytest.raises(UnsupportedOpenPgp, match="Curve25519"):
        Certificate.decode(fresh_gnupg.run("--export").ok())


def test_what_its_owner_does_with_gpg_is_respected(fresh_gnupg, own, certificate):
    fresh_gnupg.import_(secret_key(own, PASSPHRASE, os.urandom)).ok()
    fingerprint = certificate.fingerprint.hex()
    fresh_gnupg.run("--quick-add-uid", fingerprint, "Alice").ok()
    named = Certificate.decode(fresh_gnupg.run("--export").ok())
    assert set(named.user_ids) == {*certificate.user_ids, "Alice"}
    assert verify_binding(named, own.identity.public)
    fresh_gnupg.run("--quick-set-expire", fingerprint, "2030-01-01").ok()
    expiring = Certificate.decode(fresh_gnupg.run("--export").ok())
    assert expiring.encryption_key(NOW)
    with pytest.raises(OpenPgpExpired):
        expiring.encryption_key(AFTER)
    assert verify_binding(expiring, own.identity.public)
    revocation = fresh_gnupg.run(
        "--no-batch", "--no-tty", "--command-fd", "0", "--gen-revoke", fingerprint, stdin=b"y\n0\n\ny\n"
    )
    assert "revocation certificate imported" in fresh_gnupg.import_(revocation.ok()).err
    with pytest.raises(CertificateRevoked):
        Certificate.decode(fresh_gnupg.run("--export").ok())
