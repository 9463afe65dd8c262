"""docs/protocol/vectors against a second implementation: linking, the key file, backups, OpenPGP."""

import hashlib

import pytest

from .own import load
from .reference import stores
from .reference.basics import Refused, hkdf
from .reference.openpgp import Certificate


def test_a_linking() -> None:
    vectors = load("linking")
    case = {name: value for name, value in vectors.items() if isinstance(value, str)}
    frames = {name: bytes.fromhex(frame) for name, frame in vectors["frames"].items()}
    code, hello, reveal = (bytes.fromhex(case[name]) for name in ("code", "hello", "reveal"))
    assert stores.read_code(case["code_text"]) == stores.read_code(case["code_text"].lower()) == code
    secret = code[17:49]
    assert hkdf(None, secret, b"handshaker/v1/linking/mailbox-secret", 32).hex() == case["mailbox_send_secret"]
    assert stores.commitment(reveal) == code[49:]
    hello_key = hkdf(None, secret, b"handshaker/v1/linking/hello", 32)
    assert stores.open_aead(hello_key, frames["hello"], b"\x00") == hello
    assert stores.open_aead(hello_key, frames["cancel"], b"\x01") == b""
    stores.check_keys(reveal[:1216], reveal[1216:1248])
    assert stores.open_reveal(frames["reveal"], bytes.fromhex(case["primary_seal_private"]), hello) == reveal
    digest = stores.transcript(code, hello, reveal)
    assert (digest.hex(), stores.digits(digest)) == (case["transcript"], case["digits"])
    share = reveal[1312:1344]
    granted = stores.open_grant(frames["grant"], bytes.fromhex(case["new_seal_private"]), share, digest)
    assert granted == (bytes.fromhex(case["primary_share"]), bytes.fromhex(case["account"]))
    keys = hkdf(digest, share + granted[0], b"handshaker/v1/linking/channel", 64)
    assert keys.hex() == case["key_to_primary"] + case["key_to_new"]
    contents = vectors["channel_contents"]
    assert stores.open_aead(keys[:32], frames["proof"], b"\x01").hex() == contents["proof"]
    assert stores.open_aead(keys[32:], frames["package"], b"\x02").hex() == contents["package"]
    with pytest.raises(Refused):
        stores.open_aead(keys[:32], frames["package"], b"\x02")


def test_codes_with_a_mistake_are_refused() -> None:
    text = load("linking")["code_text"]
    for bad in (text[:-1], text[:40] + ("A" if text[40] != "A" else "B") + text[41:], text.replace("HSLINK:", "")):
        with pytest.raises(Refused):
            stores.read_code(bad)


def test_a_key_file() -> None:
    vectors = load("vault")
    copy, root = bytes.fromhex(vectors["copy"]), bytes.fromhex(vectors["root_seed"])
    recovery, wrap = stores.recovery_key(root)
    key = stores.passphrase_key(copy, vectors["passphrase"], bytes.fromhex(vectors["keystore_secret"]))
    expected = (1, vectors["file"], bytes.fromhex(vectors["database_key"]), recovery)
    assert stores.open_vault(copy, [key]) == stores.open_vault(copy, [wrap]) == [expected]
    other = stores.passphrase_key(copy, vectors["passphrase"], bytes(32))
    assert stores.open_vault(copy, [other]) == []
    with pytest.raises(Refused):
        stores.open_vault(copy[:100] + bytes((copy[100] ^ 1,)) + copy[101:], [key])


def test_a_backup_file() -> None:
    vectors = load("backup")
    key, salt, content = (bytes.fromhex(vectors[name]) for name in ("backup_key", "salt", "content"))
    written = stores.write_backup(key, salt, content)
    assert written[:57].hex() == vectors["header"]
    assert written[57:121].hex() == vectors["first_bytes_of_the_segment"]
    assert (len(written), hashlib.sha256(written).hexdigest()) == (vectors["size"], vectors["sha256"])


def test_openpgp_certificates() -> None:
    cases = load("openpgp")["cases"]
    assert len(cases) == 3
    for case in cases:
        certificate = Certificate(bytes.fromhex(case["root_seed"]))
        assert certificate.fingerprint.hex() == case["fingerprint"]
        assert certificate.encode().hex() == case["certificate"]
