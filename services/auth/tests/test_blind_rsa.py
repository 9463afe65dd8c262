"""Blind signatures and tokens by the vectors of their RFCs; both halves together; what is refused, beside what is not."""

import base64
import json
import secrets
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_der_public_key,
)
from handshaker_auth.domain.anonymous_tokens import CHALLENGE, TOKEN_SIZE, BadIssuerKey, Issuer, IssuerKey
from handshaker_auth.domain.blind_rsa import BlindSigner, OutOfRange, SigningFault
from handshaker_core.errors import BadKey, BadSignature
from handshaker_core.protocol import blind_rsa, blind_tokens
from handshaker_core.protocol.blind_rsa import SignerKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

VECTORS = Path(__file__).parent / "vectors"
RFC9474 = json.loads((VECTORS / "rfc9474_blind_rsa.json").read_text())
RFC9578 = json.loads((VECTORS / "rfc9578_type_2.json").read_text())
SALTED = [vector for vector in RFC9474["vectors"] if vector["salt"]]


def named(vector):
    return vector["name"] if "name" in vector else vector["nonce"][:8]


def number(text):
    return int(text, 16)


@pytest.fixture(scope="module")
def signer9474():
    key = RFC9474["key"]
    n, e, d, p, q = (number(key[name]) for name in "nedpq")
    numbers = rsa.RSAPrivateNumbers(
        p, q, d, rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q), rsa.RSAPublicNumbers(e, n)
    )
    return BlindSigner.of(numbers.private_key())


@pytest.fixture(scope="module")
def issuer9578():
    return IssuerKey(load_der_private_key(base64.b64decode(RFC9578["private_key_pkcs8"]), None))


@pytest.fixture(scope="module")
def issuer_key():
    return IssuerKey(rsa.generate_private_key(65537, 2048))


def scripted(*parts):
    """Randomness that gives these bytes in this order, and nothing else."""
    left = list(parts)

    def rng(size):
        part = left.pop(0)
        assert len(part) == size
        return part

    return rng


def independently_verified(key, message, signature):
    """By `cryptography`, with nothing of ours in between."""
    scheme = padding.PSS(padding.MGF1(hashes.SHA384()), 48)
    try:
        rsa.RSAPublicNumbers(key.e, key.n).public_key().verify(signature, message, scheme, hashes.SHA384())
    except InvalidSignature:
        return False
    return True


# --- vectors ---


@pytest.mark.parametrize("vector", RFC9474["vectors"], ids=named)
def test_vectors_of_rfc_9474(signer9474, vector):
    """All four variants: those without a salt run through the same steps with an empty one."""
    key = SignerKey(signer9474.n, signer9474.e)
    message, salt = bytes.fromhex(vector["prepared_msg"]), bytes.fromhex(vector["salt"])
    assert message == bytes.fromhex(vector["msg_prefix"] + vector["msg"])
    encoded = blind_rsa.encode(message, salt, key.n.bit_length() - 1)
    assert encoded.hex() == vector["encoded_msg"]
    inverse = number(vector["inv"])
    blinded = blind_rsa.blind_encoded(key, int.from_bytes(encoded), pow(inverse, -1, key.n))
    assert (blinded.message.hex(), blinded.inverse) == (vector["blinded_msg"], inverse)
    signed = signer9474.sign(blinded.message, secrets.token_bytes)
    assert signed.hex() == vector["blind_sig"]
    assert blind_rsa.unblind(key, signed, inverse).hex() == vector["sig"]


@pytest.mark.parametrize("vector", SALTED, ids=named)
def test_vectors_of_rfc_9474_through_the_functions_that_clients_use(signer9474, vector):
    key = SignerKey(signer9474.n, signer9474.e)
    message, factor = bytes.fromhex(vector["prepared_msg"]), pow(number(vector["inv"]), -1, key.n)
    blinded = blind_rsa.blind(key, message, scripted(bytes.fromhex(vector["salt"]), factor.to_bytes(key.size)))
    assert blinded.message.hex() == vector["blinded_msg"]
    signature = blind_rsa.finalize(key, message, bytes.fromhex(vector["blind_sig"]), blinded.inverse)
    assert signature.hex() == vector["sig"]
    assert independently_verified(key, message, signature)
    assert not independently_verified(key, message + b"x", signature)


@pytest.mark.parametrize("vector", RFC9578["vectors"], ids=named)
def test_vectors_of_rfc_9578(issuer9578, vector):
    given_bytes = {name: bytes.fromhex(value) for name, value in vector.items()}
    assert issuer9578.public_key.hex() == RFC9578["pkS"]
    issuer = blind_tokens.IssuerKey.parse(issuer9578.public_key)
    assert issuer.key_id == issuer9578.key_id
    digest = hashes.Hash(hashes.SHA256())
    digest.update(given_bytes["token_challenge"])
    rng = scripted(given_bytes["nonce"], given_bytes["salt"], given_bytes["blind"])
    pending = blind_tokens.request(issuer, rng, digest.finalize())
    # TokenRequest: the token type, the last byte of the key id, the blinded message (RFC 9578 section 6.1).
    assert b"\x00\x02" + issuer.key_id[-1:] + pending.blinded.message == given_bytes["token_request"]
    signed = issuer9578.signer.sign(pending.blinded.message, secrets.token_bytes)
    assert signed == given_bytes["token_response"]
    token = pending.finish(signed)
    assert token == given_bytes["token"]
    assert independently_verified(issuer.key, token[:98], token[98:])


def test_challenges_are_encoded_as_in_rfc_9577():
    for vector in RFC9578["vectors"]:
        encoded = bytes.fromhex(vector["token_challenge"])
        name_end = 4 + int.from_bytes(encoded[2:4])
        context_end = name_end + 1 + encoded[name_end]
        name, context = encoded[4:name_end], encoded[name_end + 1 : context_end]
        assert blind_tokens.challenge(name, context, encoded[context_end + 2 :]) == encoded
    assert blind_tokens.challenge(blind_tokens.ISSUER_NAME) == CHALLENGE


def test_published_keys_are_read_by_others(issuer_key):
    """`cryptography` reads the encoding that is put together from fixed bytes."""
    read = load_der_public_key(issuer_key.public_key).public_numbers()
    assert (read.n, read.e) == (issuer_key.signer.n, issuer_key.signer.e)


# --- both halves ---


def new_token(issuer_key, rng=secrets.token_bytes):
    pending = blind_tokens.request(blind_tokens.IssuerKey.parse(issuer_key.public_key), rng)
    (signed,) = Issuer([issuer_key], secrets.token_bytes).sign([pending.blinded.message])
    return pending, pending.finish(signed)


def test_a_token_is_taken_and_every_alteration_of_it_is_not(issuer_key):
    issuer = Issuer([issuer_key], secrets.token_bytes)
    _, token = new_token(issuer_key)
    for position in range(TOKEN_SIZE):
        altered = bytearray(token)
        altered[position] ^= 1 << (position % 8)
        assert issuer.check(bytes(altered)) is None
    for altered in (b"", token[:-1], token + b"\x00", token[:98], bytes(TOKEN_SIZE)):
        assert issuer.check(altered) is None
    assert issuer.check(token) is not None


def test_tokens_of_other_issuers_are_not_taken(issuer_key, issuer9578):
    _, token = new_token(issuer9578)
    assert Issuer([issuer_key], secrets.token_bytes).check(token) is None
    assert Issuer([], secrets.token_bytes).check(token) is None
    assert Issuer([issuer9578], secrets.token_bytes).check(token) is not None
    # The same bytes under the name of our key: the signature is of another one.
    renamed = token[:66] + issuer_key.key_id + token[98:]
    assert Issuer([issuer_key], secrets.token_bytes).check(renamed) is None


def test_the_newest_key_signs_and_the_one_before_is_still_taken(issuer9578, issuer_key):
    newest = IssuerKey(rsa.generate_private_key(65537, 2048))
    tokens = [new_token(key)[1] for key in (issuer9578, issuer_key, newest)]
    issuer = Issuer([issuer9578, issuer_key, newest], secrets.token_bytes)
    assert issuer.newest is newest
    assert [issuer.check(token) is not None for token in tokens] == [False, True, True]


def test_a_nonce_that_was_signed_twice_is_one_token(issuer_key):
    issuer, nonce = Issuer([issuer_key], secrets.token_bytes), secrets.token_bytes(32)
    first, second = (new_token(issuer_key, begins_with(nonce))[1] for _ in range(2))
    assert first != second
    assert issuer.check(first) == issuer.check(second) is not None


def begins_with(first):
    left = [first]
    return lambda size: left.pop() if left else secrets.token_bytes(size)


def test_the_issuer_sees_nothing_of_what_is_spent(issuer_key):
    """That blinded messages are uniform whatever is in them is RFC 9474's; that nothing else goes along is ours."""
    shown, spent = set(), set()
    for _ in range(8):
        pending, token = new_token(issuer_key)
        shown.add(pending.blinded.message)
        spent |= {token[i : i + 16] for i in range(len(token) - 16)}
        assert token[2:34] not in pending.blinded.message
    seen = {message[i : i + 16] for message in shown for i in range(len(message) - 16)}
    assert len(shown) == 8
    assert not seen & spent
    # One message blinded twice gives two that have nothing in common: there is no test for "is it this one?".
    message, key = secrets.token_bytes(98), SignerKey(issuer_key.signer.n, 65537)
    salt = secrets.token_bytes(48)
    twice = [blind_rsa.blind(key, message, begins_with(salt)) for _ in range(2)]
    assert twice[0].message != twice[1].message


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_any_message_can_be_signed_blindly(issuer_key, message):
    key = SignerKey(issuer_key.signer.n, 65537)
    blinded = blind_rsa.blind(key, message, secrets.token_bytes)
    signed = issuer_key.signer.sign(blinded.message, secrets.token_bytes)
    signature = blind_rsa.finalize(key, message, signed, blinded.inverse)
    assert independently_verified(key, message, signature)
    with pytest.raises(BadSignature):
        blind_rsa.finalize(key, message + b"\x00", signed, blinded.inverse)


# --- what is refused ---


def test_blinded_messages_out_of_range_are_not_signed(issuer_key):
    signer = issuer_key.signer
    refused = [0, signer.n, signer.n + 1, 2**2048 - 1]
    for value in refused:
        with pytest.raises(OutOfRange):
            signer.sign(value.to_bytes(256), secrets.token_bytes)
    for blinded in (b"", bytes(255) + b"", b"\x00" + (2).to_bytes(256)):
        with pytest.raises(OutOfRange):
            signer.sign(blinded, secrets.token_bytes)
    for value in (1, 2, signer.n - 1, signer.p, signer.q):
        signed = signer.sign(value.to_bytes(256), secrets.token_bytes)
        assert pow(int.from_bytes(signed), 65537, signer.n) == value


@pytest.mark.parametrize("part", ["p", "q", "d_p", "d_q", "q_inverse"])
def test_a_miscalculation_never_leaves_the_signer(issuer_key, part):
    good = issuer_key.signer
    broken = BlindSigner(**(vars(good) | {part: getattr(good, part) + 2}))
    message = secrets.randbelow(good.n).to_bytes(256)
    with pytest.raises(SigningFault):
        broken.sign(message, secrets.token_bytes)
    assert good.sign(message, secrets.token_bytes)


def test_each_signature_is_computed_on_another_number(issuer_key, monkeypatch):
    raised = []
    power = BlindSigner._power
    monkeypatch.setattr(BlindSigner, "_power", lambda self, value: raised.append(value) or power(self, value))
    message = secrets.randbelow(issuer_key.signer.n).to_bytes(256)
    assert len({issuer_key.signer.sign(message, secrets.token_bytes) for _ in range(3)}) == 1
    assert len({int.from_bytes(message), *raised}) == 4


def test_issuers_that_sign_something_else_are_caught(issuer_key):
    pending, token = new_token(issuer_key)
    good = issuer_key.signer.sign(pending.blinded.message, secrets.token_bytes)
    for signed in (good[:-1], good + b"\x00", bytes(256), pending.blinded.message, b"\xff" * 256):
        with pytest.raises(BadSignature):
            pending.finish(signed)
    assert pending.finish(good) == token


def test_public_keys_of_another_form_are_not_used(issuer_key):
    encoded = issuer_key.public_key
    even = encoded[:-6] + b"\x00" + encoded[-5:]
    short = encoded[:81] + b"\x00" + encoded[82:]
    exponent = encoded[:-1] + b"\x03"
    for bad in (b"", encoded[:-1], encoded + b"\x00", b"\x31" + encoded[1:], even, short, exponent):
        with pytest.raises(BadKey):
            blind_tokens.IssuerKey.parse(bad)
    assert blind_tokens.IssuerKey.parse(encoded).key.n == issuer_key.signer.n


def test_private_keys_of_another_form_are_not_used(issuer_key):
    def pem(key):
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    cases = {
        "no unencrypted private key in PEM": [b"", b"x" * 32],
        "not for RSA": [pem(generate_private_key(SECP256R1()))],
        "not with 2048 bits": [pem(rsa.generate_private_key(65537, 1024)), pem(rsa.generate_private_key(3, 2048))],
    }
    for sentence, contents in cases.items():
        for content in contents:
            with pytest.raises(BadIssuerKey, match=sentence):
                IssuerKey.read(content)
    good = rsa.generate_private_key(65537, 2048)
    pkcs1 = good.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    assert IssuerKey.read(pem(good)).key_id == IssuerKey.read(pkcs1).key_id


def test_nothing_secret_is_shown(issuer_key):
    pending, _ = new_token(issuer_key)
    shown = repr(pending) + repr(issuer_key.signer) + repr(Issuer([issuer_key], secrets.token_bytes).check(bytes(354)))
    secret = [issuer_key.signer.p, issuer_key.signer.d_p, pending.blinded.inverse]
    assert not any(str(value) in shown for value in secret)
