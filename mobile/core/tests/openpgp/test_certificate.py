"""The certificate follows from the seed, names nobody, and no byte of it can be changed."""

import hashlib

import pytest
from handshaker_core.errors import ProtocolError, WrongIdentity
from handshaker_core.openpgp.armor import ArmorType, armor
from handshaker_core.openpgp.binding import NOTATION_NAME, bind, verify_binding
from handshaker_core.openpgp.certificate import Certificate
from handshaker_core.openpgp.errors import BadOpenPgpSignature, InvalidUserId, MalformedOpenPgp, NotBound
from handshaker_core.openpgp.keys import CREATED_AT
from handshaker_core.openpgp.own import OwnKey
from handshaker_core.openpgp.registry import Hash, SignatureType, Tag
from handshaker_core.openpgp.signatures import Notation, hasher, make_signature
from handshaker_core.protocol.keys import IdentityKeyPair
from handshaker_core.protocol.labels import Label
from handshaker_core.protocol.root import RootSeed


def with_notations(own, *notations):
    """The certificate of these keys, with other statements in its direct-key signature."""
    parts = own.packets("somebody", Tag.PUBLIC_KEY, Tag.PUBLIC_SUBKEY)
    started = hasher(Hash.SHA512)
    started.update(own.public.hashed)
    statements = tuple(notation.subpacket() for notation in notations)
    parts[1] = make_signature(own, SignatureType.DIRECT_KEY, started, created_at=CREATED_AT, statements=statements)
    return Certificate.decode(b"".join(parts))


def test_the_certificate_of_a_known_seed_is_this_one(certificate):
    assert certificate.fingerprint.hex() == "b59d1240932e38acf454c342c1e7d6bda6e406f6"
    assert certificate.user_ids == ("Handshaker A6C8 EE0A D2B0 E610",)
    assert hashlib.sha256(certificate.encoded).hexdigest() == (
        "3c3420c788910ed983e6d8563f4730e45b559bd9b397489d3d23ecf2bf26e8f1"
    )


def test_the_same_seed_gives_the_same_bytes_and_another_one_another_key(own, certificate):
    again, another = OwnKey.derive(RootSeed(bytes(range(32)))), OwnKey.derive(RootSeed(bytes(32)))
    assert again.certificate().encoded == certificate.encoded
    assert another.certificate().fingerprint != certificate.fingerprint


def test_a_name_changes_the_user_id_and_not_the_key(own, certificate):
    named = own.certificate("  Alice of Example ")
    assert named.user_ids == ("Alice of Example",)
    assert named.fingerprint == certificate.fingerprint
    assert verify_binding(named).identity == own.identity.public


@pytest.mark.parametrize("name", ["", "   ", "two\nlines", "\x1b[31m", "x" * 201, "é" * 101, "\ud800"])
def test_names_that_cannot_be_user_ids(own, name):
    with pytest.raises(InvalidUserId):
        own.certificate(name)
    assert own.certificate("é" * 100).user_ids == ("é" * 100,)


def test_armored_or_not_it_is_the_same_certificate(certificate):
    text = armor(ArmorType.PUBLIC_KEY, certificate.encoded)
    with_extras = "\n\n" + text.replace("BLOCK-----\n\n", "BLOCK-----\nComment: from afar\n\n", 1).replace("\n", "\r\n")
    with_checksum = text.replace("\n-----END", "\n=AAAA\n-----END")
    for data in (text, with_extras, with_checksum):
        assert Certificate.decode(data.encode()) == certificate


def test_both_sides_have_signed_for_each_other(own, other, certificate):
    bound = verify_binding(certificate, own.identity.public)
    assert (bound.certificate, bound.identity) == (certificate, own.identity.public)
    with pytest.raises(WrongIdentity):
        verify_binding(certificate, other.identity.public)
    assert verify_binding(certificate).identity == own.identity.public


def says_less(own, certificate, data):
    """Whether altered data is refused, or is the same certificate with something missing."""
    try:
        altered = verify_binding(Certificate.decode(data), own.identity.public).certificate
    except ProtocolError:
        return True
    less = {*altered.user_ids, *altered.subkeys} < {*certificate.user_ids, *certificate.subkeys}
    return less and (altered.primary, altered.notations) == (certificate.primary, certificate.notations)


def test_no_byte_can_be_changed_so_that_a_certificate_says_anything_else(own, certificate):
    for position in range(len(certificate.encoded)):
        altered = bytearray(certificate.encoded)
        altered[position] ^= 1 << position % 8
        assert says_less(own, certificate, bytes(altered)), position
    assert not says_less(own, certificate, certificate.encoded)


def test_a_changed_binding_is_refused(own, certificate):
    start = certificate.encoded.index(own.identity.public.raw) - 1
    for position in range(start, start + 97):
        altered = bytearray(certificate.encoded)
        altered[position] ^= 1
        with pytest.raises(BadOpenPgpSignature):
            Certificate.decode(bytes(altered))
    assert verify_binding(Certificate.decode(certificate.encoded)).identity == own.identity.public


def test_a_certificate_that_is_cut_anywhere_is_refused_or_says_less(own, certificate):
    assert all(says_less(own, certificate, certificate.encoded[:end]) for end in range(len(certificate.encoded)))


def test_somebody_elses_binding_cannot_be_put_into_an_own_certificate(own, other):
    theirs = bind(other.identity, other.public)
    with pytest.raises(NotBound):  # the key says that it is theirs; their identity has not signed for this key
        verify_binding(with_notations(own, theirs), other.identity.public)
    mine = bind(own.identity, own.public)
    assert verify_binding(with_notations(own, mine)).identity == own.identity.public


def test_an_identity_cannot_be_swapped_under_a_signature(own, other):
    mine = bind(own.identity, own.public).value
    swapped = mine[:1] + other.identity.public.raw + mine[33:]
    with pytest.raises(NotBound):
        verify_binding(with_notations(own, Notation(NOTATION_NAME, swapped)))


def test_an_identity_that_signs_for_a_key_that_does_not_name_it_binds_nothing(own, other):
    """A malicious identity may sign for anybody's key; without the key's own word that is nothing."""
    claimed = bind(other.identity, own.public)
    assert verify_binding(with_notations(own, claimed)).identity == other.identity.public  # made with own's secret key
    with pytest.raises(WrongIdentity):
        verify_binding(own.certificate(), other.identity.public)


@pytest.mark.parametrize(
    "value", [b"", b"\1", b"\1" * 97, b"\2" + bytes(96), bytes(97), b"\1" + bytes(96), b"\1" + bytes(97)]
)
def test_malformed_bindings(own, value):
    with pytest.raises(NotBound):
        verify_binding(with_notations(own, Notation(NOTATION_NAME, value)))


def test_a_certificate_without_a_binding_or_with_two_is_bound_to_nobody(own):
    mine, foreign = bind(own.identity, own.public), Notation("identity@example.org", b"hello")
    for notations in ((), (foreign,), (mine, mine)):
        with pytest.raises(NotBound):
            verify_binding(with_notations(own, *notations))
    assert verify_binding(with_notations(own, foreign, mine)).identity == own.identity.public


def test_the_signature_of_a_binding_serves_for_nothing_else(own):
    value = bind(own.identity, own.public).value
    content = b"\1" + own.public.raw + own.public.fingerprint
    own.identity.public.verify(Label.OPENPGP_BINDING, content, value[33:])
    for label in Label:
        if label is not Label.OPENPGP_BINDING:
            with pytest.raises(ProtocolError):
                own.identity.public.verify(label, content, value[33:])


def test_two_certificates_in_one_file_are_refused(own, other, certificate):
    with pytest.raises(MalformedOpenPgp, match="exactly one"):
        Certificate.decode(certificate.encoded + other.certificate().encoded)


def test_secrets_do_not_show(own):
    shown = repr(own) + repr(own.primary_seed) + repr(own.encryption_seed)
    for secret in (own.primary_seed.raw, own.encryption_seed.raw, own.identity.seed):
        assert secret.hex() not in shown
        assert repr(secret) not in shown


def test_the_identity_and_the_openpgp_key_are_not_one_key(own):
    assert isinstance(own.identity, IdentityKeyPair)
    assert len({own.identity.public.raw, own.public.raw, own.encryption.raw, own.identity.public.x25519.raw}) == 4
