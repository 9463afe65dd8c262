"""What people read."""

from datetime import UTC, datetime

import click
import pytest
from handshaker_cli.commands.messages import judge_sent
from handshaker_cli.exits import ExitCode
from handshaker_cli.operations.results import Contact, Message, Request, Result, to_object
from handshaker_cli.output import human
from handshaker_cli.output.printer import HumanPrinter

AT = datetime(2027, 1, 31, 18, 30, tzinfo=UTC)


def plain(result: Result) -> str:
    return click.unstyle(human.render(result))


def message(state: str, failure: str | None = None, text: str | None = "hi", direction: str = "outgoing") -> Message:
    return Message(7, direction, state, 1, "Bob", text, AT, failure)


@pytest.mark.parametrize(
    ("state", "failure", "told", "code"),
    [
        ("sending", None, "Queued: the server has not taken the message for Bob yet.", ExitCode.DONE),
        ("stored", None, "Stored: Bob gets the message when they are online again.", ExitCode.DONE),
        ("delivered", None, "Delivered to Bob.", ExitCode.DONE),
        ("read", None, "Delivered to Bob, and read.", ExitCode.DONE),
        ("failed", "refused", "Not sent to Bob: the server refused it", ExitCode.REFUSED),
        ("failed", "expired", "Not sent to Bob: the server could not be reached for 14 days.", ExitCode.REFUSED),
        ("failed", "something_new", "Not sent to Bob: the server did not take it.", ExitCode.REFUSED),
    ],
)
def test_what_became_of_a_message(state, failure, told, code):
    assert click.unstyle(human.sent(message(state, failure))).startswith(told)
    assert judge_sent(message(state, failure)) is code


def test_messages_say_who_and_how_far():
    when = human.moment(AT)
    assert plain(message("sending")) == f"{when}  You: hi  [queued]"
    assert plain(message("failed", "refused")) == f"{when}  You: hi  [not sent]"
    assert plain(message("received", direction="incoming")) == f"{when}  Bob: hi"
    assert plain(message("received", text=None, direction="incoming")) == (
        f"{when}  Bob: (a message that cannot be decrypted)"
    )


def test_a_claimed_username_is_never_shown_as_a_checked_one():
    checked = Contact(1, "Bob", "bob.77", "bob.77", "connected", verified=True, unread=2)
    claimed = Contact(2, "Bob", None, "bob.77", "connected", verified=False, unread=0)
    asked = Contact(3, "bob.77", "bob.77", None, "requested", verified=False, unread=0)
    assert plain(checked) == "   1  Bob (bob.77)  verified, 2 new"
    assert plain(claimed) == "   2  Bob (says: bob.77)"
    assert plain(asked) == "   3  bob.77  has not answered your request yet"


@pytest.mark.parametrize("direction", ["incoming", "outgoing"])
@pytest.mark.parametrize("state", ["pending", "accepted", "rejected", "cancelled"])
def test_every_request_has_a_sentence_with_the_name(direction, state):
    shown = plain(Request(4, direction, state, 1, "Bob\nMallory", None, "bob.77", "hello\nthere", AT))
    assert "Bob Mallory (says: bob.77)" in shown
    assert ("handshaker accept 4" in shown) == (direction == "incoming" and state == "pending")


def test_results_go_out_and_the_rest_does_not(capsys):
    printer = HumanPrinter()
    printer.show(message("received", direction="incoming"))
    printer.nothing("Nothing new.")
    shown = capsys.readouterr()
    assert shown.out.endswith("Bob: hi\n")
    assert shown.err == "Nothing new.\n"
    assert to_object(message("read"))["type"] == "message"
