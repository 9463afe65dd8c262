"""The daemon keeps the account open; other commands work through it and need nothing."""

import json
import os
import signal
import socket
import subprocess
import threading

import pytest
from handshaker_cli.rpc.protocol import SOCKET_NAME
from shells import Running, Shell


class Keeper:
    """Keeps one daemon for all tests that leave it alone, because starting one takes a while."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._daemon: Running | None = None

    def daemon(self) -> Running:
        if self._daemon is None or self._daemon.process.poll() is not None:
            self.stop()
            self._daemon = self._shell.start("--json", "daemon")
            ready = json.loads(self._daemon.wait_for('"ready"'))
            assert ready == {"type": "ready", "process": self._daemon.process.pid, "home": str(self._shell.home)}
        return self._daemon

    def stop(self) -> None:
        if self._daemon is not None:
            with self._daemon:
                pass


@pytest.fixture(scope="module")
def keeper(pair):
    kept = Keeper(pair[0])
    yield kept
    kept.stop()


@pytest.fixture
def served(keeper, pair):
    """Alice's daemon, a shell of hers that knows no passphrase, and bob."""
    return keeper.daemon(), Shell(pair[0].home), pair[1]


@pytest.fixture
def alone(keeper, pair):
    """The same two without the daemon."""
    keeper.stop()
    return pair


def test_other_commands_need_no_passphrase_and_messages_go_both_ways(served):
    _, alice, bob = served
    assert alice.json("whoami").succeeded().objects[0]["username"] == "alice.42"
    sent = bob.run("send", "alice.42", "to the daemon").succeeded().out
    assert sent.startswith(("Delivered to alice.42.", "Stored: alice.42 "))
    assert alice.json("contacts").succeeded().objects[0]["unread"] == 1
    received = alice.json("receive").succeeded().objects
    assert [(message["type"], message["text"]) for message in received] == [("message", "to the daemon")]
    assert alice.json("receive").succeeded().objects == []
    assert alice.run("send", "bob.42", "from the daemon").succeeded().out.startswith("Stored: ")
    assert "from the daemon" in bob.run("receive").succeeded().out


def test_the_same_errors_and_exit_codes_through_the_daemon(served):
    _, alice, _ = served
    unknown = alice.json("send", "carol.1", "hi")
    assert (unknown.code, unknown.error["error"]) == (2, "unknown_contact")
    assert unknown.error["message"].startswith("There is no contact 'carol.1'.")
    assert alice.json("search", "nobody.99").code == 3
    assert alice.json("verify", "bob.42").code == 5
    elsewhere = alice.json("--server", "https://chat.example", "contacts")
    assert (elsewhere.code, elsewhere.error["error"]) == (2, "other_server")
    direct = alice.json("--socks", "127.0.0.1:9050", "contacts")
    assert (direct.code, direct.error["error"]) == (2, "other_proxy")
    alice.json("--socks", "direct", "contacts").succeeded()


def test_a_second_daemon_is_refused_and_told_about_the_first(served, pair):
    daemon, _, _ = served
    second = pair[0].json("daemon")
    assert (second.code, second.error["error"]) == (2, "already_serving")
    assert f"process {daemon.process.pid}" in second.error["message"]


def test_what_is_no_command_gets_an_error_on_the_socket(served):
    _, alice, _ = served
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(alice.home / SOCKET_NAME))
        lines = connection.makefile("rw")
        assert json.loads(lines.readline())["serving"] == "daemon"
        for call in (
            {"id": 1, "command": "daemon"},
            {"id": 1, "command": "send", "arguments": {"to": "bob.42"}},
            {"id": 1, "command": "send", "arguments": {"to": 1, "text": "hi"}},
            {"id": 1, "command": "contacts", "arguments": {"surprise": True}},
        ):
            lines.write(json.dumps(call) + "\n")
            lines.flush()
            assert json.loads(lines.readline())["error"]["reason"] == "bad_call"


def test_a_daemon_that_stops_ends_those_who_follow_and_they_are_told(served):
    daemon, alice, bob = served
    with alice.start("--json", "receive", "--follow") as following:
        bob.run("send", "alice.42", "to the follower").succeeded()
        following.wait_for("to the follower")
        assert daemon.stop(signal.SIGTERM) == 0
        assert following.end() == 4
        assert json.loads(following.errors[-1])["error"] == "daemon_stopped"
    assert not (alice.home / SOCKET_NAME).exists()
    assert alice.json("contacts").error["error"] == "passphrase_needed"


def test_a_daemon_that_was_killed_is_in_nobodys_way(served, pair):
    daemon, _, _ = served
    alice = pair[0]
    assert daemon.stop(signal.SIGKILL) == -signal.SIGKILL
    assert (alice.home / SOCKET_NAME).exists()
    alice.run("contacts").succeeded()
    with alice.start("daemon") as another:
        another.wait_for("Handshaker is running")
        Shell(alice.home).run("contacts").succeeded()


def test_a_logout_ends_the_daemon(served, pair):
    daemon, alice, _ = served
    assert alice.json("logout").succeeded().objects[0]["logged_in"] is False
    assert daemon.end() == 2
    offline = pair[0].json("receive")
    assert (offline.code, offline.error["error"]) == (2, "logged_out")
    assert pair[0].json("login").succeeded().objects[0]["logged_in"] is True


def test_commands_at_the_same_time_wait_for_each_other(alone):
    alice, _ = alone
    codes: list[int] = []
    threads = [threading.Thread(target=lambda: codes.append(alice.run("contacts").code)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [0, 0]


def test_a_message_that_could_not_be_written_out_is_shown_again(alone):
    alice, bob = alone
    bob.run("send", "alice.42", "into a closed pipe").succeeded()
    reading, writing = os.pipe()
    os.close(reading)
    command = alice.command("receive")
    ended = subprocess.run(command, env=alice.environment, stdin=subprocess.DEVNULL, stdout=writing, check=False)
    os.close(writing)
    assert ended.returncode == 0
    assert "into a closed pipe" in alice.run("receive").succeeded().out


def test_receipts_are_shown_to_those_who_ask(alone):
    alice, bob = alone
    with alice.start("--json", "receive", "--follow", "--receipts") as following:
        following.wait_for_error('"waiting"')
        Shell(alice.home).run("send", "bob.42", "have you read this?").succeeded()
        assert json.loads(following.wait_for("have you read this?"))["state"] == "stored"
        assert "have you read this?" in bob.run("receive", "--for", "5").succeeded().out
        following.wait_for('"state": "read"')
