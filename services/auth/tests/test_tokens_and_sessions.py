"""Access tokens, refresh tokens, signatures and coarse days, without a database."""

import datetime as dt
import hashlib
import secrets
import uuid

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from handshaker_auth.domain.access_tokens import LIFETIME_SECONDS, AccessTokens, BadSigningKey, key_id, read_signing_key
from handshaker_auth.domain.challenges import Challenges
from handshaker_auth.domain.days import day_of, week_of
from handshaker_auth.domain.refresh import RefreshPolicy, RefreshToken
from handshaker_auth.domain.registration import holds_device_key, new_account
from handshaker_auth.domain.sessions import SessionChallenges
from handshaker_auth.settings import signing_keys_in
from handshaker_common.entropy import system_entropy
from handshaker_common.identity import Identity
from handshaker_common.testing import FakeClock
from handshaker_common.tokens import AccessTokenVerifier, InvalidToken, UnknownKey
from hypothesis import given
from hypothesis import strategies as st

ACCOUNT, DEVICE = uuid.uuid4(), uuid.uuid4()
TIMES = st.floats(0, 4e9)


def verifier(tokens, clock):
    return AccessTokenVerifier(
        {key.key_id: Ed25519PublicKey.from_public_bytes(key.public_key) for key in tokens.published}, clock
    )


def pem(key, encryption=None):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


def test_services_accept_an_access_token_for_five_minutes():
    clock = FakeClock()
    tokens = AccessTokens([Ed25519PrivateKey.generate()], clock, system_entropy)
    token, check = tokens.issue(ACCOUNT, DEVICE), verifier(tokens, clock)
    assert check.verify_until(token) == (Identity(ACCOUNT, DEVICE), clock.now() + LIFETIME_SECONDS)
    assert len(token) < 1024
    assert token != tokens.issue(ACCOUNT, DEVICE)
    clock.advance(LIFETIME_SECONDS + 10)  # and the leeway
    with pytest.raises(InvalidToken):
        check.verify(token)


def test_the_newest_key_signs_and_all_are_published():
    clock, old, new = FakeClock(), Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    before, after = (AccessTokens(keys, clock, system_entropy) for keys in ([old], [old, new]))
    check = verifier(after, clock)
    assert check.verify(before.issue(ACCOUNT, DEVICE)) == check.verify(after.issue(ACCOUNT, DEVICE))
    with pytest.raises(UnknownKey):
        verifier(before, clock).verify(after.issue(ACCOUNT, DEVICE))


def test_a_key_id_is_the_thumbprint_of_rfc_8037():
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    assert key_id(read_signing_key(seed).public_key()) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_a_signing_key_is_a_seed_or_a_pem():
    key = Ed25519PrivateKey.generate()
    for data in (key.private_bytes_raw(), pem(key)):
        assert read_signing_key(data).private_bytes_raw() == key.private_bytes_raw()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(31),
        bytes(33),
        b"-----BEGIN PRIVATE KEY-----\n",
        pem(rsa.generate_private_key(65537, 2048)),
        pem(Ed25519PrivateKey.generate(), BestAvailableEncryption(b"pw")),
    ],
    ids=["empty", "short", "long", "cut", "rsa", "encrypted"],
)
def test_anything_else_is_no_signing_key(data):
    with pytest.raises(BadSigningKey):
        read_signing_key(data)


def test_signing_keys_are_read_in_the_order_of_their_names(tmp_path):
    seeds = {name: secrets.token_bytes(32) for name in ("2026-02-01", "2026-01-01", "2025-12-31.pem")}
    for name, seed in seeds.items():
        (tmp_path / name).write_bytes(seed)
    (tmp_path / "..data").mkdir()
    (tmp_path / ".hidden").write_bytes(b"no key")
    found = [key.private_bytes_raw() for key in signing_keys_in(tmp_path)]
    assert found == [seeds[name] for name in sorted(seeds)]
    assert len(signing_keys_in(tmp_path / "2026-02-01")) == 1


def test_a_folder_with_a_bad_key_or_none_is_refused(tmp_path):
    with pytest.raises(BadSigningKey, match="without any key"):
        signing_keys_in(tmp_path)
    (tmp_path / "spoilt").write_bytes(b"secret-that-must-not-be-shown")
    with pytest.raises(BadSigningKey, match="spoilt holds neither") as raised:
        signing_keys_in(tmp_path)
    assert "must-not-be-shown" not in str(raised.value)


def test_a_refresh_token_keeps_its_family_and_changes_its_secret():
    first = RefreshToken.first(system_entropy)
    second, stranger = first.next(system_entropy), RefreshToken.first(system_entropy)
    assert first.family_hash == second.family_hash != stranger.family_hash
    assert len({first.token_hash, second.token_hash, stranger.token_hash}) == 3
    assert first.token_hash == hashlib.sha256(first.secret).digest()
    assert "secret" not in repr(first)
    for size in (0, 31, 33):
        with pytest.raises(ValueError, match="32 bytes"):
            RefreshToken(bytes(size))


@given(TIMES)
def test_a_week_begins_on_its_monday(now):
    assert week_of(now).isoweekday() == 1
    assert dt.timedelta(0) <= day_of(now) - week_of(now) < dt.timedelta(days=7)


def test_a_family_lives_as_long_as_its_policy_promises():
    policy, today = RefreshPolicy(30), dt.date(2026, 11, 22)
    assert policy.oldest_use(today) == dt.date(2026, 10, 23)
    assert policy.seconds == 30 * 86_400


def test_registration_wants_the_signature_of_the_key_itself(device, new_device):
    request, label = device.registration(), b"handshaker/v1/register"
    assert holds_device_key(device.public, request.proof)
    assert not holds_device_key(new_device().public, request.proof)
    assert not holds_device_key(device.public, new_device().key.sign(label + device.public))
    assert not holds_device_key(device.public, device.key.sign(b"handshaker/v1/session" + device.public))
    assert not holds_device_key(b"\xff" * 32, request.proof)


def test_an_account_is_random_and_knows_its_week_only(device):
    clock = FakeClock(1_800_000_000)
    one, two = (new_account(device.public, clock, system_entropy) for _ in range(2))
    assert len({one.account_id, one.device_id, two.account_id, two.device_id}) == 4
    assert {one.account_id.version, one.device_id.version} == {4}
    assert one.created_week == dt.date(2027, 1, 11)


def test_a_signature_counts_for_what_it_was_made_for(device, new_device):
    challenges = Challenges(b"s" * 32, FakeClock(), system_entropy)
    desk, token = SessionChallenges(challenges), RefreshToken.first(system_entropy)
    challenge = desk.challenge(device.public)
    login, refresh = device.login(challenge), device.refresh(challenge, token.secret)
    assert desk.check_login(device.public, challenge, login.signature) is not None
    assert desk.check_refresh(device.public, challenge, token, refresh.signature) is not None
    assert desk.check_login(device.public, challenge, refresh.signature) is None
    assert desk.check_refresh(device.public, challenge, token, login.signature) is None
    assert desk.check_refresh(device.public, challenge, token.next(system_entropy), refresh.signature) is None
    thief = new_device()
    assert desk.check_login(thief.public, challenge, thief.login(challenge).signature) is None
    work = challenges.issue(1, 8, device.public)
    assert desk.check_login(device.public, work, device.login(work).signature) is None
