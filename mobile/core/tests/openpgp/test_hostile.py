"""What comes from outside may be anything: it ends in one of our exceptions, and in little memory."""

import io
import os
import tracemalloc
import zlib
from contextlib import suppress
from io import BytesIO

import pytest
from handshaker_core.openpgp import streams
from handshaker_core.openpgp.armor import ArmorType, armor, dearmored, dearmored_bytes
from handshaker_core.openpgp.certificate import Certificate
from handshaker_core.openpgp.errors import (
    BadOpenPgpSignature,
    MalformedOpenPgp,
    MeantForOthers,
    NotEncryptedToUs,
    OpenPgpError,
    OpenPgpExpired,
    OpenPgpTampered,
    OpenPgpTooLarge,
    UnsupportedOpenPgp,
)
from handshaker_core.openpgp.packets import PacketReader, PacketWriter, length_octets, packet
from handshaker_core.openpgp.reading import read_message, verify_detached
from handshaker_core.openpgp.registry import MAX_CERTIFICATE, Cipher, Hash, SignatureType, SubpacketType, Tag
from handshaker_core.openpgp.secret import NoPassphrase, secret_key
from handshaker_core.openpgp.signatures import OnePass, Subpacket, hasher, make_signature
from handshaker_core.openpgp.writing import MAX_RECIPIENTS, Encryptor, sign_detached
from handshaker_core.protocol.wire import u8, u32
from hypothesis import given
from hypothesis import strategies as st

NOW = 1_800_000_000.0
MIB = 1 << 20


def read(own, data, *known):
    content = []
    find = {certificate.primary.key_id: certificate for certificate in known}.get
    result = read_message(BytesIO(data), content.append, own, find, now=NOW)
    return result, b"".join(content)


def message(own, content, *recipients):
    encryptor = Encryptor(recipients or [own.certificate()], own, now=NOW, rng=os.urandom)
    return encryptor.update(content) + encryptor.finish()


def literal(content):
    return packet(Tag.LITERAL, b"b" + bytes(5) + content)


def signed(own, content, *statements):
    digest = hasher(Hash.SHA512)
    digest.update(content)
    made = make_signature(own, SignatureType.BINARY, digest, created_at=int(NOW), statements=statements)
    return OnePass(Hash.SHA512, own.public.key_id).encode() + literal(content) + made


def peak_of(work):
    tracemalloc.start()
    try:
        with suppress(OpenPgpError):
            work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_refused_in_our_words(own, data):
    for work in (
        lambda: Certificate.decode(data),
        lambda: read(own, data),
        lambda: verify_detached(BytesIO(b""), data, lambda _: None, now=NOW),
        lambda: dearmored_bytes(data, 1000),
    ):
        with suppress(OpenPgpError):
            work()


@given(st.data())
def test_altered_messages_never_give_anything_else(own, certificate, data):
    whole = signed(own, b"content")
    altered = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        altered[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        result, content = read(own, bytes(altered), certificate)
    except OpenPgpError:
        return
    assert content == b"content" or result.signature is None or not hasattr(result.signature, "signer")


def test_a_packet_that_claims_four_gigabytes_takes_no_memory(own):
    for tag in (Tag.PUBLIC_KEY, Tag.SIGNATURE, Tag.LITERAL, Tag.PKESK, Tag.SEIPD):
        claimed = bytes((0xC0 | tag, 0xFF)) + u32(2**32 - 1) + b"\4" * 100
        with pytest.raises(OpenPgpError):
            Certificate.decode(claimed)
        with pytest.raises(OpenPgpError):
            read(own, claimed)
        assert peak_of(lambda claimed=claimed: Certificate.decode(claimed)) < MIB
        assert peak_of(lambda claimed=claimed: read(own, claimed)) < MIB


def test_a_certificate_has_a_largest_size(certificate):
    padding = packet(Tag.PADDING, bytes(3000))
    room = MAX_CERTIFICATE - len(certificate.encoded) - 2 * len(padding)
    full = certificate.encoded + padding * 2 + packet(Tag.PADDING, bytes(room - 3))
    assert len(full) == MAX_CERTIFICATE
    assert Certificate.decode(full).fingerprint == certificate.fingerprint
    for more in (full + b"\xca\x00", armor(ArmorType.PUBLIC_KEY, full + b"\xca\x00").encode()):
        with pytest.raises(OpenPgpTooLarge):
            Certificate.decode(more)
    with pytest.raises(OpenPgpTooLarge):
        Certificate.decode(certificate.encoded + b"\xca\x00" * 70)


def test_little_that_inflates_to_much_is_stopped(own, monkeypatch):
    limit = 4 * MIB
    monkeypatch.setattr(streams, "MAX_INFLATED", limit)

    def bomb(size):
        return packet(Tag.COMPRESSED, u8(2) + zlib.compress(literal(bytes(size)), 9))

    with pytest.raises(OpenPgpTooLarge):
        read(own, bomb(limit))
    falling = BytesIO(bomb(limit))
    assert peak_of(lambda: read_message(falling, lambda _: None, own, lambda _: None, now=NOW)) < MIB
    assert read(own, bomb(limit - 100))[0].size == limit - 100
    with pytest.raises(MalformedOpenPgp):
        read(own, packet(Tag.COMPRESSED, u8(2) + zlib.compress(bomb(10))))  # compressed twice
    for cut in range(1, len(bomb(1000))):
        with pytest.raises(OpenPgpError):
            read(own, bomb(1000)[:-cut])
    with pytest.raises(UnsupportedOpenPgp):
        read(own, packet(Tag.COMPRESSED, u8(3) + bytes(10)))


def test_large_messages_take_little_memory(own, certificate):
    size = 16 * MIB
    whole = BytesIO()
    peak = peak_of(lambda: _write(own, certificate, whole, size))
    assert len(whole.getvalue()) > size
    read_peak = peak_of(lambda: _drain(own, certificate, whole))
    assert peak - len(whole.getvalue()) * 2.3 < 2 * MIB  # BytesIO itself grows by doubling
    assert read_peak < 2 * MIB


def _write(own, certificate, target, size):
    encryptor = Encryptor([certificate], own, now=NOW, rng=os.urandom)
    for _ in range(size // (1 << 16)):
        target.write(encryptor.update(bytes(1 << 16)))
    target.write(encryptor.finish())


def _drain(own, certificate, whole):
    whole.seek(0)
    result = read_message(whole, lambda _: None, own, lambda _: certificate, now=NOW)
    assert result.size == 16 * MIB


def test_encryption_without_an_integrity_check_is_refused(own):
    for tag in (Tag.SED, Tag.AEAD):
        with pytest.raises(UnsupportedOpenPgp):
            read(own, packet(tag, bytes(100)))
    whole = bytearray(message(own, b"x"))
    version = 2 + whole[1] + 3  # behind the session key packet, and the header of a packet of 192 bytes and more
    assert (whole[version - 3], whole[version]) == (0xD2, 1)
    assert read(own, bytes(whole))[1] == b"x"
    for other in (0, 2):
        whole[version] = other
        with pytest.raises(UnsupportedOpenPgp):
            read(own, bytes(whole))


def test_a_message_for_others_says_so(own, other):
    theirs = message(other, b"secret", other.certificate())
    with pytest.raises(NotEncryptedToUs):
        read(own, theirs)
    assert read(other, theirs)[1] == b"secret"


def test_a_signature_that_was_meant_for_somebody_else_is_not_passed_off_as_meant_for_us(own, other):
    """Whoever gets a signed message can encrypt it anew, signature and all, for a third person."""
    meant = Subpacket(SubpacketType.INTENDED_RECIPIENT, u8(4) + other.public.fingerprint)
    with pytest.raises(MeantForOthers):
        read(own, signed(own, b"I owe you 100", meant), own.certificate())
    ours = Subpacket(SubpacketType.INTENDED_RECIPIENT, u8(4) + own.public.fingerprint)
    assert read(own, signed(own, b"I owe you 100", meant, ours), own.certificate())[1] == b"I owe you 100"


def test_an_expired_signature_is_refused(own, certificate):
    short = Subpacket(SubpacketType.SIGNATURE_EXPIRES, u32(10))
    whole = signed(own, b"today only", short)
    find = {certificate.primary.key_id: certificate}.get
    assert read_message(BytesIO(whole), lambda _: None, own, find, now=NOW + 9).signature.signer is certificate
    with pytest.raises(OpenPgpExpired):
        read_message(BytesIO(whole), lambda _: None, own, find, now=NOW + 10)


def test_content_after_the_signed_content_is_refused(own, certificate):
    good = signed(own, b"signed")
    assert read(own, good, certificate)[1] == b"signed"
    for extra in (literal(b"not signed"), good):
        with pytest.raises(MalformedOpenPgp):
            read(own, good + extra, certificate)
        with pytest.raises(OpenPgpError):
            read(own, extra[:-1] + good, certificate)


def test_unknown_critical_statements_are_not_passed_over(own, certificate):
    ordinary = Subpacket(100, b"hello")
    assert read(own, signed(own, b"x", ordinary), certificate)[0].signature.signer is certificate
    for critical in (Subpacket(100, b"hello", critical=True), Subpacket(20, bytes(8), critical=True)):
        with pytest.raises(UnsupportedOpenPgp):
            read(own, signed(own, b"x", critical), certificate)


def test_signatures_with_weak_hashes_are_refused(own, certificate):
    weak = signed(own, b"x").replace(bytes((4, 0, 22, Hash.SHA512)), bytes((4, 0, 22, 2)))
    with pytest.raises(OpenPgpError):
        read(own, weak, certificate)


def test_a_signature_of_another_kind_does_not_serve_for_a_file(own, certificate):
    digest = hasher(Hash.SHA512)
    digest.update(b"x")
    wrong = make_signature(own, SignatureType.DIRECT_KEY, digest, created_at=int(NOW))
    find = {certificate.primary.key_id: certificate}.get
    with pytest.raises(UnsupportedOpenPgp):
        verify_detached(BytesIO(b"x"), wrong, find, now=NOW)
    with pytest.raises(BadOpenPgpSignature):
        read(own, OnePass(Hash.SHA512, own.public.key_id).encode() + literal(b"x") + wrong, certificate)


def test_the_certificates_own_signatures_do_not_serve_for_a_file(own, certificate):
    find = {certificate.primary.key_id: certificate}.get
    direct = PacketReader(BytesIO(certificate.encoded))
    direct.next()
    body = direct.next().body.content()
    with pytest.raises(UnsupportedOpenPgp):
        verify_detached(BytesIO(own.public.hashed), packet(Tag.SIGNATURE, body), find, now=NOW)


def test_a_tampered_end_is_told_as_tampering(own):
    whole = bytearray(message(own, b"content" * 1000))
    whole[-1] ^= 1
    with pytest.raises(OpenPgpTampered):
        read(own, bytes(whole))


@given(st.lists(st.binary(max_size=200_000), max_size=4))
def test_what_is_written_in_chunks_is_read_back(pieces):
    writer = PacketWriter(Tag.LITERAL)
    written = b"".join(writer.update(piece) for piece in pieces) + writer.finish()
    reader = PacketReader(BytesIO(written))
    body = reader.next().body
    assert b"".join(iter(lambda: body.read(5000), b"")) == b"".join(pieces)
    assert reader.next() is None


@given(st.binary(max_size=1000), st.sampled_from(ArmorType))
def test_armor_comes_off_as_it_went_on(data, kind):
    if not data:
        return
    text = armor(kind, data)
    assert max(map(len, text.splitlines())) <= 76
    assert dearmored_bytes(text.encode(), 1000) == data


@pytest.mark.parametrize(
    "text",
    [
        b"hello",
        b"-----BEGIN PGP NONSENSE-----\n\n",
        b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nhi\n",
        b"-----BEGIN PGP MESSAGE-----\n\nAA=A\n-----END PGP MESSAGE-----\n",
        b"-----BEGIN PGP MESSAGE-----\n\nAAA\n-----END PGP MESSAGE-----\n",
        b"-----BEGIN PGP MESSAGE-----\n\nAAAA\n",
        b"-----BEGIN PGP MESSAGE-----\n" + b"A: b\n" * 20 + b"\nAAAA\n-----END PGP MESSAGE-----\n",
        b"-----BEGIN PGP MESSAGE-----\n\n" + b"A" * 2000 + b"\n-----END PGP MESSAGE-----\n",
        b"\n" * 100 + b"-----BEGIN PGP MESSAGE-----\n\nAAAA\n-----END PGP MESSAGE-----\n",
    ],
)
def test_text_that_is_no_armor(text):
    good = b"-----BEGIN PGP MESSAGE-----\n\nAAAA\n-----END PGP MESSAGE-----\n"
    assert dearmored_bytes(good, 10) == bytes(3)
    with pytest.raises(OpenPgpError):
        dearmored_bytes(text, 10_000)
    with pytest.raises(MalformedOpenPgp):
        dearmored(io.BytesIO(b""))


def test_lengths_are_written_in_their_shortest_form():
    assert [length_octets(n).hex() for n in (0, 191, 192, 8383, 8384)] == ["00", "bf", "c000", "dfff", "ff000020c0"]


def test_how_many_a_file_may_be_encrypted_to(own, certificate):
    for count in (0, MAX_RECIPIENTS + 1):
        with pytest.raises(OpenPgpTooLarge):
            Encryptor([certificate] * count, own, now=NOW, rng=os.urandom)
    assert Encryptor([certificate] * MAX_RECIPIENTS, own, now=NOW, rng=os.urandom).finish()


def test_no_secret_key_without_a_passphrase(own):
    with pytest.raises(NoPassphrase):
        secret_key(own, "", os.urandom)
    exported = secret_key(own, "something", os.urandom)
    assert own.primary_seed.raw not in exported
    assert own.encryption_seed.raw[::-1] not in exported


def test_a_detached_signature_by_nobody_known(own):
    judged = verify_detached(BytesIO(b"x"), sign_detached(BytesIO(b"x"), own, now=NOW), lambda _: None, now=NOW)
    assert judged.key_id == own.public.key_id
    assert Cipher.AES256.key_size == 32
