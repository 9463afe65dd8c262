"""`session start`, `end` and `status`: live in a command or in the daemon, and over on both sides when one ends it."""

import signal
from dataclasses import dataclass

import pytest
from shells import Inside, Running, Shell


@dataclass
class Talkers:
    """Alice has a daemon, through which her commands go; bob's commands open his account themselves, or go through one
    that stays.
    """

    daemon: Running
    alice: Inside
    bob: Shell

    def through(self, running: Running) -> Inside:
        """Bob's commands while that one runs."""
        assert running.process.poll() is None
        return Inside(self.bob.home)


@pytest.fixture(scope="module")
def talkers(people):
    alice, bob = people("live_alice", Shell), people("live_bob", Shell)
    for somebody in (alice, bob):
        somebody.register("--username", f"{somebody.home.name}.42")
    with alice.start("daemon") as daemon:
        daemon.wait_for("Handshaker is running")
        made = Talkers(daemon, Inside(alice.home), bob)
        made.alice.run("connect", "live_bob.42").succeeded()
        with bob.start("receive", "--follow") as following:
            following.wait_for("live_alice.42")
            made.through(following).run("accept", "1").succeeded()
            assert following.stop(signal.SIGINT) == 0
        yield made
        assert daemon.stop(signal.SIGTERM) == 0


def status(somebody, to):
    (shown,) = somebody.json("session", "status", to).succeeded().objects
    assert "key" not in shown
    return shown


@pytest.mark.timeout(300)
def test_a_live_session_between_a_daemon_and_a_command(talkers):
    daemon, alice = talkers.daemon, talkers.alice
    assert (status(alice, "live_bob.42")["sessions"], status(alice, "live_bob.42")["live"]) == (1, "idle")
    with talkers.bob.start("session", "start", "live_alice.42") as living:
        living.wait_for_error("live_alice.42 is asked.")
        daemon.wait_for_error("offers a live session. To accept: handshaker session start")
        assert status(alice, "live_bob.42")["live"] == "accepting"
        begun = alice.run("session", "start", "live_bob.42").succeeded().out
        assert "Live session: begun, its key is in memory on both sides, since" in begun
        living.wait_for("Live session: begun")
        # The same command serves others, and knows of the session.
        assert status(talkers.through(living), "live_alice.42")["live"] == "live"
        twice = alice.json("session", "start", "live_bob.42")
        assert (twice.code, twice.error["error"]) == (2, "live_session_open")
        assert living.stop(signal.SIGINT) == 130
    daemon.wait_for_error("The live session with live_bob.42 is over; its key is deleted.")
    ended = status(alice, "live_bob.42")
    assert (ended["live"], ended["ended"], ended["since"]) == ("ended", "ended_by_contact", None)


@pytest.mark.timeout(300)
def test_nobody_is_there_to_accept(talkers):
    alone = talkers.alice.json("session", "start", "live_bob.42")
    assert alone.code == 4
    assert [shown["ended"] for shown in alone.objects] == ["not_there"]


@pytest.mark.timeout(300)
def test_ending_a_session_says_so_on_both_sides_and_the_next_message_goes_on(talkers):
    alice = talkers.alice
    none = alice.json("session", "end", "live_bob.42", "--live")
    assert (none.code, none.error["error"]) == (2, "no_live_session")
    ended = alice.run("session", "end", "live_bob.42").succeeded().out
    assert "Keys shared with live_bob.42: none, they were deleted." in ended
    again = alice.json("session", "end", "live_bob.42")
    assert (again.code, again.error["error"]) == (2, "no_session")
    assert "You ended the session." in alice.run("history", "live_bob.42").succeeded().out
    with talkers.bob.start("receive", "--follow") as following:
        following.wait_for("Your contact ended the session.")
        bob = talkers.through(following)
        assert [line["notice"] for line in bob.json("history", "live_alice.42").objects] == ["session_ended_by_contact"]
        assert status(bob, "live_alice.42")["sessions"] == 0
        bob.run("send", "live_alice.42", "hello again").succeeded()
        while "hello again" not in alice.run("history", "live_bob.42").out:
            pass
        assert status(alice, "live_bob.42")["sessions"] == status(bob, "live_alice.42")["sessions"] == 1
        assert following.stop(signal.SIGINT) == 0


def test_nobody_without_a_conversation(talkers):
    for command in ("start", "end", "status"):
        unknown = talkers.alice.json("session", command, "carol.1")
        assert (unknown.code, unknown.error["error"]) == (2, "unknown_contact")
