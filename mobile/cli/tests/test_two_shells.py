"""Two people, two homes, one server that is restarted in between: nothing is lost and nothing is shown twice."""

import signal

import pytest
from shells import Shell


def texts(shell: Shell, to: str) -> list[str]:
    return [message["text"] for message in shell.json("history", to).succeeded().objects]


@pytest.mark.timeout(300)
def test_two_people_talk_and_the_server_is_restarted_in_between(system, people):
    alice, bob = people("story_alice", Shell), people("story_bob", Shell)
    assert "Done. You are story_alice.42 on" in alice.register("--username", "story_alice.42", "--name", "Alice").out
    bob.register("--username", "story_bob.77", "--name", "Bob")

    asked = alice.run("connect", "story_bob.77", "-m", "Hello, it is Alice").succeeded()
    assert asked.out == "Your request to story_bob.77 waits for their answer.\n"

    shown = bob.run("receive").succeeded()
    assert "Alice (says: story_alice.42): Hello, it is Alice" in shown.out
    assert "handshaker accept 1" in shown.out
    assert "You are connected with story_alice.42" in bob.run("accept", "1").succeeded().out

    with alice.start("receive", "--follow") as following:
        following.wait_for("story_bob.77 accepted your request. You are connected.")
        # Delivered at once, or stored for the moment that a busy machine takes.
        sent = bob.run("send", "story_alice.42", "one").succeeded().out
        assert sent.startswith(("Delivered to story_alice.42.", "Stored: story_alice.42 "))
        following.wait_for("story_bob.77: one")
        # A second shell of alice's works through the first one.
        alice.run("send", "story_bob.77", "two").succeeded()
        assert "story_alice.42: two" in bob.run("receive").succeeded().out

        system.stop()
        following.wait_for_error("There is no connection to the server.")
        queued = bob.json("send", "story_alice.42", "three").succeeded()
        assert [message["state"] for message in queued.objects] == ["sending"]
        assert alice.run("send", "story_bob.77", "four").succeeded().out.startswith("Queued: ")
        away = bob.json("receive")
        assert (away.code, away.error["error"]) == (4, "unreachable")
        system.start()

        following.wait_for_error("Connected again.")
        received = [bob.run("receive").succeeded().out]
        following.wait_for("three")
        while "four" not in received[-1]:
            received.append(bob.run("receive", "--for", "2").succeeded().out)
        assert following.stop(signal.SIGINT) == 0

    messages = [line for line in following.seen if "story_bob.77: " in line]
    assert [line.rpartition(" ")[2] for line in messages] == ["one", "three"]
    conversation = {"Hello, it is Alice", "one", "two", "three", "four"}
    for shell, other in ((alice, "story_bob.77"), (bob, "story_alice.42")):
        said = texts(shell, other)
        assert len(said) == len(conversation)
        assert set(said) == conversation
