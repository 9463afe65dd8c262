"""OpenPGP on the command line: two people, their files, and what each is told."""

import json
from datetime import UTC, datetime

import pytest
from handshaker_cli.codec import encode
from handshaker_cli.operations import results
from handshaker_cli.operations.pgp_arguments import PgpEncrypt, PgpExport, PgpExportSecret, PgpHistory
from handshaker_cli.operations.registry import read_call
from handshaker_core.openpgp.binding import verify_binding
from handshaker_core.openpgp.certificate import Certificate
from handshaker_core.openpgp.own import OwnKey
from handshaker_core.protocol.root import RootSeed
from shells import Inside


@pytest.fixture
def file(tmp_path):
    """Makes a file and gives its path."""

    def make(name, content=b"the plan"):
        path = tmp_path / name
        path.write_bytes(content)
        return str(path)

    return make


@pytest.fixture(scope="module")
def acquainted(insiders):
    """Two people, each of whom has published and fetched."""
    alice, bob = insiders
    for somebody in insiders:
        somebody.run("pgp", "publish").succeeded()
    alice.run("pgp", "fetch", "in_bob").succeeded()
    bob.run("pgp", "fetch", "in_alice").succeeded()
    return insiders


def fingerprint(somebody):
    return somebody.json("pgp", "export").succeeded().objects[0]["fingerprint"]


def test_the_own_certificate_names_nobody_unless_asked(insiders, tmp_path):
    alice, _ = insiders
    shown = alice.run("pgp", "export").succeeded().out
    certificate = Certificate.decode(shown.encode())
    verify_binding(certificate)
    assert shown == alice.run("pgp", "export").succeeded().out
    assert "alice" not in str(certificate.user_ids).casefold()
    target = tmp_path / "named.asc"
    alice.run("pgp", "export", "--name", "Alice Example", "-o", str(target)).succeeded()
    named = Certificate.decode(target.read_bytes())
    assert (named.fingerprint, named.user_ids) == (certificate.fingerprint, ("Alice Example",))
    refused = alice.json("pgp", "export", "--name", "two\nlines")
    assert (refused.code, refused.error["error"]) == (2, "invalid_user_id")


def test_the_secret_key_is_given_only_with_a_passphrase_and_a_warning(insiders, tmp_path):
    alice, _ = insiders
    target, protection = tmp_path / "secret.asc", tmp_path / "protection"
    for arguments in ([], ["-o", str(target)], ["--protect-with", str(protection)]):
        said = alice.run("pgp", "export", "--secret", *arguments)
        assert said.code == 2
        assert "--secret needs --protect-with FILE" in said.err
    protection.write_text("something long\n")
    protection.chmod(0o644)
    wanted = ["pgp", "export", "--secret", "--protect-with", str(protection), "-o", str(target)]
    assert alice.json(*wanted).error["error"] == "unusable_passphrase"
    assert not target.exists()
    protection.chmod(0o600)
    said = alice.run(*wanted).succeeded()
    assert "whoever has this file and its passphrase can sign as you" in said.err
    assert target.read_text().startswith("-----BEGIN PGP PRIVATE KEY BLOCK-----")
    assert target.stat().st_mode & 0o777 == 0o600
    again = alice.json(*wanted)
    assert (again.code, again.error["error"]) == (2, "file_exists")


def test_fetching_says_what_was_proven_and_verifies_nobody(acquainted):
    alice, bob = acquainted
    said = alice.run("pgp", "fetch", "in_bob").succeeded().out
    assert "Proven: whoever holds the identity of in_bob.42 here also holds this OpenPGP key" in said
    assert "you have not compared safety numbers yet" in said
    shown = alice.json("pgp", "show", "in_bob").succeeded().objects[0]
    assert (shown["type"], shown["fingerprint"], shown["verified"]) == ("certificate", fingerprint(bob), False)
    assert alice.json("verify", "in_bob").code == 5


def test_unpublished_means_not_found(acquainted):
    alice, bob = acquainted
    bob.run("pgp", "unpublish").succeeded()
    gone = alice.json("pgp", "fetch", "in_bob")
    assert (gone.code, gone.error["error"]) == (3, "certificate_not_published")
    bob.run("pgp", "unpublish").succeeded()
    bob.run("pgp", "publish").succeeded()
    alice.run("pgp", "fetch", "in_bob").succeeded()


def test_importing_takes_only_the_contacts_own_certificate(acquainted, file):
    alice, bob = acquainted
    theirs = file("bob.asc", bob.run("pgp", "export", "--name", "Bob").succeeded().out.encode())
    kept = alice.json("pgp", "import", "in_bob", theirs).succeeded().objects[0]
    assert (kept["user_id"], kept["fingerprint"]) == ("Bob", fingerprint(bob))
    stranger = OwnKey.derive(RootSeed(bytes(32))).certificate("Bob")
    for name, content, reason in (
        ("own.asc", alice.run("pgp", "export").out.encode(), "foreign_certificate"),
        ("stranger.pgp", stranger.encoded, "foreign_certificate"),
        ("cut.asc", theirs.encode()[:10], "malformed_openpgp"),
        ("large.pgp", bytes(20_000), "openpgp_too_large"),
    ):
        said = alice.json("pgp", "import", "in_bob", file(name, content))
        assert (said.code, said.error["error"]) == (5, reason)
    missing = alice.json("pgp", "import", "in_bob", "/nowhere/x.asc")
    assert (missing.code, missing.error["error"]) == (2, "file_unusable")
    assert alice.json("pgp", "show", "in_bob").succeeded().objects[0]["user_id"] == "Bob"
    alice.run("pgp", "fetch", "in_bob").succeeded()


def test_a_file_goes_to_a_contact_and_says_who_signed_it(acquainted, file, tmp_path):
    alice, bob = acquainted
    plan = file("plan.txt", b"Dinner at eight" * 10_000)
    written = alice.json("pgp", "encrypt", plan, "in_bob").succeeded().objects[0]
    assert (written["type"], written["kind"], written["file"]) == ("written", "encrypted", plan + ".gpg")
    got = tmp_path / "got"
    checked = bob.json("pgp", "decrypt", plan + ".gpg", "-o", str(got)).succeeded().objects[0]
    assert (checked["signature"], checked["name"], checked["fingerprint"]) == (
        "good",
        "in_alice.42",
        fingerprint(alice),
    )
    assert (checked["encrypted"], checked["own"], checked["verified"]) == (True, False, False)
    assert got.read_bytes() == b"Dinner at eight" * 10_000
    own = alice.run("pgp", "decrypt", plan + ".gpg", "-o", str(tmp_path / "own")).succeeded()
    assert "Good signature: you signed it" in own.out
    assert alice.json("pgp", "decrypt", plan + ".gpg").error["error"] == "file_exists"


def test_an_altered_file_leaves_nothing_behind(acquainted, file, tmp_path):
    alice, bob = acquainted
    plan = file("plan.txt")
    alice.run("pgp", "encrypt", "--armor", plan, "in_bob").succeeded()
    text = (tmp_path / "plan.txt.asc").read_text().splitlines(keepends=True)
    text[-3] = text[-3].swapcase()
    said = bob.json("pgp", "decrypt", file("altered.asc", "".join(text).encode()))
    assert said.code == 5
    assert said.error["error"] in ("openpgp_tampered", "malformed_openpgp")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["altered.asc", "plan.txt", "plan.txt.asc"]
    bob.run("pgp", "decrypt", str(tmp_path / "plan.txt.asc"), "-o", str(tmp_path / "good")).succeeded()


def test_separate_signatures(acquainted, file, tmp_path):
    alice, bob = acquainted
    plan = file("contract.txt")
    alice.run("pgp", "sign", plan).succeeded()
    assert "Good signature: in_alice.42 signed it" in bob.run("pgp", "verify", plan).succeeded().out
    other = file("other.txt", b"another text")
    bad = bob.json("pgp", "verify", other, plan + ".asc")
    assert (bad.code, bad.error["error"]) == (5, "bad_openpgp_signature")
    assert bob.json("pgp", "verify", plan, plan).error["error"] == "malformed_openpgp"


def test_a_signature_of_somebody_unknown_is_not_verified(insiders, people, file):
    carol = people("in_carol", Inside)
    carol.register()
    contract = file("contract.txt")
    carol.run("pgp", "sign", contract).succeeded()
    said = insiders[0].json("pgp", "verify", contract)
    assert (said.code, said.objects[0]["signature"], said.objects[0]["fingerprint"]) == (5, "unknown", None)
    assert "nothing is proven" in insiders[0].run("pgp", "verify", contract).out
    unknown = carol.json("pgp", "encrypt", contract, "nobody")
    assert (unknown.code, unknown.error["error"]) == (2, "unknown_contact")


def test_encrypting_needs_the_contacts_certificate(people, insiders, file, tmp_path):
    alice, _ = insiders
    dora = people("in_dora", Inside)
    dora.register("--username", "in_dora.42")
    dora.run("connect", "in_alice.42").succeeded()
    alice.run("receive").succeeded()
    alice.run("accept", "in_dora.42").succeeded()
    dora.run("receive").succeeded()
    said = dora.json("pgp", "encrypt", file("plan.txt"), "in_alice")
    assert (said.code, said.error["error"]) == (2, "no_certificate")
    assert "fetch or import" in said.error["message"]
    assert not (tmp_path / "plan.txt.gpg").exists()


def test_the_whole_history_is_exported_encrypted_and_can_be_read_again(acquainted, tmp_path):
    alice, bob = acquainted
    alice.run("send", "in_bob", "Good evening, über alles: 🍝").succeeded()
    target, plain = tmp_path / "history.gpg", tmp_path / "history"
    written = alice.json("pgp", "history", "-o", str(target), "in_bob").succeeded().objects[0]
    assert (written["kind"], written["bytes"]) == ("history", target.stat().st_size)
    assert b"Good evening" not in target.read_bytes()
    checked = alice.json("pgp", "decrypt", str(target), "-o", str(plain)).succeeded().objects[0]
    assert (checked["signature"], checked["own"]) == ("good", True)
    lines = [json.loads(line) for line in plain.read_text().splitlines()]
    assert (lines[0]["type"], lines[0]["version"], lines[-1]) == (
        "handshaker-history",
        1,
        {"type": "end", "messages": written["messages"]},
    )
    kinds = {line["type"] for line in lines}
    assert kinds == {"handshaker-history", "contact", "message", "end"}
    assert "Good evening, über alles: 🍝" in [line.get("text") for line in lines]
    bob.run("pgp", "decrypt", str(target), "-o", str(tmp_path / "bobs")).succeeded()
    assert (tmp_path / "bobs").read_bytes() == plain.read_bytes()


def test_what_another_process_carries_out_gets_there_as_it_was_meant():
    for arguments in (
        PgpExport("Alice", None),
        PgpExportSecret("/a", "/b"),
        PgpEncrypt("/plan", "/plan.gpg", "alice\nbob", armor=True),
        PgpHistory("/history"),
    ):
        assert read_call(arguments.command, json.loads(json.dumps(encode(arguments)))) == arguments
    for result in (
        results.Written("/a", "history", 5, 7),
        results.Certificate("AB", "name", 1, "bob", False, "text"),
        results.Checked(None, 1, False, "good", "AB", True, None, None, None, datetime(2026, 1, 1, tzinfo=UTC)),
    ):
        assert results.from_object(json.loads(json.dumps(results.to_object(result)))) == result


@pytest.mark.parametrize(
    "command", ["export", "import", "fetch", "show", "publish", "encrypt", "sign", "verify", "history"]
)
def test_every_command_explains_itself_with_an_example(stranger, command):
    shown = stranger.run("pgp", command, "--help").succeeded().out
    assert f"handshaker pgp {command}" in shown.partition("Example")[2]
    assert max(map(len, shown.splitlines())) <= 100
