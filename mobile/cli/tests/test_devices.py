"""A second device, a change that is looked at, a removal and a lost phone, as people do it on the command line."""

import json
import subprocess
import sys

import pytest
from handshaker_core.client import prekeys
from shells import Inside, Options, Running, clean_environment

# As in this process, passphrases are stretched quickly and few keys are made.
QUICK = """
from handshaker_core.client import prekeys
from handshaker_core.store import vault
vault.ARGON2ID_MEMORY_KIB, vault.ARGON2ID_ITERATIONS, prekeys.FULL, prekeys.LOW = 64, 1, 12, 6
from handshaker_cli.main import run
run()
"""


class Asked(Running):
    """A command in a process of its own that asks its user something."""

    def __init__(self, somebody: Options, *arguments: str) -> None:
        original = subprocess.Popen

        def with_input(*args, **kwargs):
            return original(*args, **kwargs | {"stdin": subprocess.PIPE})

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(subprocess, "Popen", with_input)
            super().__init__([sys.executable, "-c", QUICK, *somebody.line("--json", *arguments)], clean_environment())

    def object(self, kind: str) -> dict[str, object]:
        return json.loads(self.wait_for(f'"type": "{kind}"'))

    def answer(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{text}\n")
        self.process.stdin.close()


def link(primary: Options, new: Options, server: str, *, answers: tuple[str, str] = ("yes", "y")) -> tuple[int, int]:
    """Link a device as a person would; the exit codes of both sides."""
    with Asked(new, "--server", server, "device", "link", "--name", "laptop") as linking:
        code = linking.object("link_code")["code"]
        with Asked(primary, "device", "add", str(code)) as adding:
            numbers = linking.object("numbers"), adding.object("numbers")
            assert numbers[0] == numbers[1]
            assert numbers[0]["name"] == "laptop"
            linking.answer(answers[0])
            adding.answer(answers[1])
            return linking.end(), adding.end()


@pytest.fixture(scope="module", autouse=True)
def few_keys():
    """As QUICK does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prekeys, "FULL", 12)
        patch.setattr(prekeys, "LOW", 6)
        yield


@pytest.fixture(scope="module")
def three(people, few_keys) -> tuple[Options, Options, Options]:
    """dev_alice.42 with a phone and a laptop, and dev_bob.42."""
    alice, bob = people("dev_alice", Inside), people("dev_bob", Inside)
    for somebody in (alice, bob):
        somebody.register("--username", f"{somebody.home.name}.42")
    alice.run("connect", "dev_bob.42").succeeded()
    bob.run("receive").succeeded()
    bob.run("accept", "1").succeeded()
    alice.run("receive").succeeded()
    laptop = people("dev_laptop", Inside)
    assert link(alice, laptop, alice.server) == (0, 0)
    return alice, bob, laptop


def test_a_second_device_is_linked_and_used(three):
    alice, bob, laptop = three
    listed = alice.json("device", "list").succeeded().objects
    assert [(each["name"], each["this"], each["primary"]) for each in listed] == [
        ("", True, True),
        ("laptop", False, False),
    ]
    assert [each["this"] for each in laptop.json("device", "list").succeeded().objects] == [True, False]
    notices = [each["notice"] for each in bob.json("receive").succeeded().objects]
    assert "device_added" in notices
    paused = bob.json("send", "dev_alice.42", "to both")
    assert (paused.code, paused.error["error"]) == (5, "attention_needed")
    assert "acknowledge" in paused.error["message"]
    assert "has a new device" in bob.run("contacts").succeeded().out
    assert "You can write to" in bob.run("acknowledge", "dev_alice.42").succeeded().out
    bob.run("send", "dev_alice.42", "to both").succeeded()
    for device in (alice, laptop):
        assert [each.get("text") for each in device.json("receive").succeeded().objects][-1:] == ["to both"]
    laptop.run("send", "dev_bob.42", "from the laptop").succeeded()
    assert bob.json("receive").succeeded().objects[-1]["text"] == "from the laptop"
    alice.run("receive").succeeded()
    assert alice.json("history", "dev_bob.42", "--limit", "1").objects[0]["text"] == "from the laptop"


def test_what_linked_devices_cannot_do(three):
    _, _, laptop = three
    for command in (("device", "remove", "laptop"), ("connect", "somebody.42")):
        refused = laptop.json(*command)
        assert (refused.code, refused.error["error"]) == (2, "primary_device_only")
    again = laptop.json("device", "link")
    assert (again.code, again.error["error"]) == (2, "home_in_use")


def test_a_no_on_either_side_links_nothing(three, people):
    alice, _, _ = three
    tablet = people("tablet", Inside)
    before = alice.json("device", "list").objects
    assert link(alice, tablet, alice.server, answers=("yes", "no")) == (5, 5)
    assert alice.json("device", "list").objects == before
    wrong = alice.json("device", "add", "HSLINK:NONSENSE")
    assert (wrong.code, wrong.error["error"]) == (2, "invalid_link_code")


def test_a_removed_device_is_out(three):
    alice, bob, laptop = three
    unknown = alice.json("device", "remove", "nothing")
    assert (unknown.code, unknown.error["error"]) == (2, "device_unknown")
    assert "cannot log in" in alice.run("device", "remove", "laptop").succeeded().out
    assert len(alice.json("device", "list").objects) == 1
    notices = [each["notice"] for each in bob.json("receive").succeeded().objects]
    assert "device_removed" in notices
    assert laptop.run("login").code == 3
    bob.run("send", "dev_alice.42", "without the laptop").succeeded()
    alice.run("receive").succeeded()
    assert alice.json("history", "dev_bob.42", "--limit", "1").objects[0]["text"] == "without the laptop"
    assert "without the laptop" not in laptop.run("receive").out


def test_a_lost_phone_is_survived(people, three, tmp_path):
    alice, bob, _ = three
    words = tmp_path / "words"
    words.write_text(alice.json("phrase").succeeded().objects[0]["words"])
    words.chmod(0o600)
    new = people("new_phone", Inside)
    told = new.json("--server", alice.server, "recover", "--phrase-file", str(words)).succeeded()
    recovered = told.objects
    assert recovered[0]["account_id"] == alice.json("whoami").objects[0]["account_id"]
    assert "username_to_take_again" in told.err
    assert "dev_alice.42" in new.run("register", "--username", "dev_alice.42").succeeded().out
    assert alice.run("login").code == 3
    (bob_account,) = bob.json("whoami").objects
    new.run("connect", bob_account["link"], "-m", "my new phone").succeeded()
    bob.run("receive").succeeded()
    assert bob.run("send", "dev_alice.42", "is it you?").code == 5
    number = new.json("verify", "1").objects[0]["number"]
    assert bob.json("verify", "dev_alice.42").objects[0]["number"] == number, "the identity is the same"
    assert bob.run("verify", "dev_alice.42", "--confirm").code == 0
    bob.run("send", "dev_alice.42", "welcome back").succeeded()
    assert "welcome back" in new.run("receive").succeeded().out
    other = people("other_phone", Inside)
    bad = other.json("--server", alice.server, "recover", "--phrase-file", "-", stdin=b"only three words")
    assert (bad.code, bad.error["error"]) == (2, "invalid_phrase")
