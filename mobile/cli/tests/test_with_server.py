"""Single commands against the real system: what they print, and what the server's refusals become."""

import pytest
from shells import Inside

MESSAGE_KEYS = [
    "type",
    "message",
    "direction",
    "state",
    "contact",
    "name",
    "text",
    "at",
    "failure",
    "notice",
    "disappears_at",
]


def test_the_shapes_that_programs_rely_on(insiders):
    alice, bob = insiders
    bob.run("receive").succeeded()  # whatever waits from before
    account = alice.json("whoami").succeeded().objects
    assert [list(item) for item in account] == [
        ["type", "name", "username", "server", "link", "account_id", "device_id", "logged_in"]
    ]
    contact = next(item for item in alice.json("contacts").succeeded().objects if item["name"] == "in_bob.42")
    assert contact == {
        "type": "contact",
        "contact": 1,
        "name": "in_bob.42",
        "username": "in_bob.42",
        "claimed_username": contact["claimed_username"],
        "state": "connected",
        "verified": contact["verified"],
        "unread": 0,
        "attention": None,
    }
    (sent,) = alice.json("send", "1", "shape").succeeded().objects
    assert list(sent) == MESSAGE_KEYS
    assert (sent["state"], sent["direction"], sent["failure"]) == ("stored", "outgoing", None)
    (received,) = bob.json("receive").succeeded().objects
    assert list(received) == MESSAGE_KEYS
    assert (received["text"], received["state"], received["direction"]) == ("shape", "received", "incoming")
    assert bob.json("history", "in_alice.42", "--limit", "1").objects == [received | {"state": "read"}]


def test_a_username_that_is_taken_leaves_an_account_that_can_take_another(people, insiders):
    carol = people("carol", Inside)
    taken = carol.json("--server", carol.server, "register", "--username", "in_bob.42")
    assert (taken.code, taken.error["error"]) == (3, "username_taken")
    assert "run register again with another one" in taken.error["message"]
    (account,) = carol.json("register", "--username", "pair_carol").succeeded().objects
    name, _, digits = account["username"].partition(".")
    assert name == "pair_carol"
    assert digits.isdigit()
    assert carol.json("register").succeeded().objects == [account]
    other = carol.json("register", "--username", "pair_dave.11")
    assert (other.code, other.error["error"]) == (2, "has_username")


def test_a_request_by_link_and_its_rejection(people, insiders):
    alice, _ = insiders
    dave = Inside(people("dave", Inside).home)
    dave.run("--server", alice.server, "--no-passphrase", "register", "--name", "Dave").succeeded()
    (account,) = alice.json("whoami").objects
    (asked,) = dave.json("connect", account["link"], "-m", "by link").succeeded().objects
    assert (asked["type"], asked["direction"], asked["state"]) == ("request", "outgoing", "pending")
    early = dave.json("send", "1", "too early")
    assert (early.code, early.error["error"]) == (2, "not_connected")
    assert "has not answered your request yet" in early.error["message"]
    (request,) = alice.json("requests").succeeded().objects
    assert (request["name"], request["greeting"], request["state"]) == ("Dave", "by link", "pending")
    assert alice.json("receive").succeeded().objects == [request]
    (rejected,) = alice.json("reject", "Dave", "--tell").succeeded().objects
    assert rejected["state"] == "rejected"
    assert alice.json("requests").succeeded().objects == []
    (answer,) = dave.json("receive").succeeded().objects
    assert (answer["type"], answer["state"]) == ("request", "rejected")


def test_search_finds_exactly_and_refuses_otherwise(insiders):
    alice, _ = insiders
    (found,) = alice.json("search", "@In_Bob.42").succeeded().objects
    assert (found["username"], found["contact"]) == ("in_bob.42", 1)
    nobody = alice.json("search", "in_bob.78")
    assert (nobody.code, nobody.error["error"]) == (3, "unknown_username")
    nonsense = alice.json("search", "in bob")
    assert (nonsense.code, nonsense.error["error"]) == (2, "invalid_username")


def test_verifying_shows_the_same_number_on_both_sides(insiders):
    alice, bob = insiders
    (mine,) = alice.json("verify", "in_bob.42").objects
    (theirs,) = bob.json("verify", "in_alice.42").objects
    assert mine["number"] == theirs["number"]
    assert len(mine["number"]) == 60
    unverified = bob.run("verify", "in_alice.42")
    assert unverified.code == 5
    assert "Not verified." in unverified.out
    assert bob.run("verify", "in_alice.42", "--confirm").succeeded().out.endswith("You have verified in_alice.42.\n")
    (after,) = bob.json("verify", "in_alice.42").succeeded().objects
    assert after["verified"] is True


def test_verifying_by_the_code_that_the_other_side_shows(insiders, tmp_path):
    alice, bob = insiders
    shown = alice.run("verify", "in_bob.42", "--code").out
    (code,) = [line for line in shown.splitlines() if line.startswith("CAESIgog")]
    assert "█" in shown
    assert alice.json("verify", "in_bob.42").objects[0]["code"] == code
    own = bob.json("verify", "in_alice.42").objects[0]["code"]
    assert own != code

    refused = bob.json("verify", "in_alice.42", "--scan", own)
    assert (refused.code, refused.error["error"]) == (5, "not_verified")
    assert "scan the one that your contact shows" in refused.error["message"]
    altered = bob.json("verify", "in_alice.42", "--scan", code[:-2] + "AA")
    assert (altered.code, altered.error["error"]) == (5, "not_verified")
    cut = bob.json("verify", "in_alice.42", "--scan", code[:-1])
    assert (cut.code, cut.error["error"]) == (2, "malformed_safety_code")

    (tmp_path / "code.txt").write_text(f"{code}\n")
    for scanned, stdin in ((code, b""), (str(tmp_path / "code.txt"), b""), ("-", f"{code}\n".encode())):
        done = bob.run("verify", "in_alice.42", "--scan", scanned, stdin=stdin).succeeded()
        assert done.out.endswith("You have verified in_alice.42.\n")


@pytest.mark.parametrize(
    ("text", "stdin", "reason"),
    [
        ("   ", b"", "empty_text"),
        ("-", b"", "empty_text"),
        ("-", b"\xff\xfe", "not_text"),
        ("-", b"x" * 20_000, "text_too_long"),
        ("-", b"x" * 1_100_000, "message_too_long"),
    ],
)
def test_what_is_no_message_is_not_kept(insiders, text, stdin, reason):
    alice, _ = insiders
    before = alice.json("history", "1").objects
    refused = alice.run("--json", "send", "in_bob.42", text, stdin=stdin)
    assert (refused.code, refused.error["error"]) == (2, reason)
    assert alice.json("history", "1").objects == before


def test_a_message_from_standard_input_keeps_its_lines_and_is_shown_without_power(insiders):
    alice, bob = insiders
    alice.run("send", "in_bob.42", "-", stdin=b"first\nsecond \x1b[2J\n").succeeded()
    shown = bob.run("receive").succeeded().out
    assert "in_alice.42: first\n    second \ufffd[2J\n" in shown
    (kept,) = bob.json("history", "in_alice.42", "--limit", "1").objects
    assert kept["text"] == "first\nsecond \x1b[2J"


def test_history_is_searched_and_limited(insiders):
    alice, bob = insiders
    for text in ("lunch at noon", "dinner at eight", "no lunch"):
        bob.run("send", "in_alice.42", text).succeeded()
    alice.run("receive").succeeded()
    found = alice.json("history", "in_bob.42", "--search", "LUNCH").succeeded().objects
    assert [message["text"] for message in found] == ["lunch at noon", "no lunch"]
    last = alice.json("history", "in_bob.42", "--limit", "2").succeeded().objects
    assert [message["text"] for message in last] == ["dinner at eight", "no lunch"]
    assert alice.run("history", "in_bob.42", "--search", "breakfast").succeeded().err == "No messages.\n"
