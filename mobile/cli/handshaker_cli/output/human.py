"""Results as text for people."""

from datetime import datetime
from functools import singledispatch

import click

from handshaker_cli.operations.results import (
    Account,
    Contact,
    Found,
    Message,
    Notice,
    Ready,
    Request,
    Result,
    SafetyNumber,
    Session,
)
from handshaker_cli.output.drawn import drawn
from handshaker_cli.output.safe import block, one_line

_STATES = {
    "sending": "queued",
    "stored": "stored",
    "delivered": "delivered",
    "read": "read",
    "failed": "not sent",
}
_FAILURES = {
    "refused": "the server refused it; perhaps they have ended the connection",
    "malformed": "the server could not read it",
    "expired": "the server could not be reached for 14 days",
    "session_ended": "they ended the session before it had left; send it again",
}
_GROUPS_PER_LINE = 4
_GROUP = 5


@singledispatch
def render(result: Result) -> str:
    """The usual form of a result."""
    raise NotImplementedError(f"{type(result).__name__} has no text.")


@render.register
def _account(account: Account) -> str:
    lines = [
        ("Username", account.username or "none (others connect to you by your link)"),
        ("Name", one_line(account.name) or "none"),
        ("Server", account.server),
        ("Link", account.link or "shown on your first device (this is a linked one)"),
        ("Account", account.account_id or "not registered yet"),
        ("Device", account.device_id or "not registered yet"),
        ("Session", "logged in" if account.logged_in else "logged out"),
    ]
    return "\n".join(f"{label + ':':10}{text}" for label, text in lines)


@render.register
def _found(found: Found) -> str:
    if found.contact is not None:
        return f"{found.username} is your contact number {found.contact}."
    return f"{found.username} is here. To ask for a connection: handshaker connect {found.username}"


@render.register
def _contact(contact: Contact) -> str:
    remarks = [_CONTACT_STATES.get(contact.state, contact.state)] if contact.state != "connected" else []
    remarks += ["verified"] if contact.verified else []
    remarks += [_ATTENTION.get(contact.attention, "look at what changed")] if contact.attention else []
    remarks += [click.style(f"{contact.unread} new", bold=True)] if contact.unread else []
    person = _person(contact.name, contact.username, contact.claimed_username)
    return f"{contact.contact:>4}  {person}" + (f"  {', '.join(remarks)}" if remarks else "")


_ATTENTION = {
    "device_added": "has a new device (handshaker verify or acknowledge)",
    "identity_changed": "has another identity (handshaker verify or acknowledge)",
}
_CONTACT_STATES = {
    "requested": "has not answered your request yet",
    "asking": "wants to connect with you (handshaker requests)",
    "closed": "not connected",
}


@render.register
def _request(request: Request) -> str:
    name = _person(request.name, request.username, request.claimed_username)
    if request.direction == "outgoing":
        return _OUTGOING.get(request.state, "Your request to {name}: {state}").format(name=name, state=request.state)
    if request.state == "accepted":
        return f"You are connected with {name}. To write: handshaker send {request.username or request.contact} TEXT"
    if request.state == "rejected":
        return f"You rejected the request of {name}."
    if request.state == "cancelled":
        return f"The request of {name} was withdrawn."
    greeting = f": {block(request.greeting, '    ')}" if request.greeting else " wants to connect."
    return (
        f"Request {request.request}, {moment(request.at)}: {name}{greeting}\n"
        f"    handshaker accept {request.request}    handshaker reject {request.request}"
    )


_OUTGOING = {
    "pending": "Your request to {name} waits for their answer.",
    "accepted": "{name} accepted your request. You are connected.",
    "rejected": "{name} rejected your request.",
}


@render.register
def _message(message: Message) -> str:
    if message.notice is not None:
        told = click.style(block(message.text or "", "    "), dim=True)
        return f"{moment(message.at)}  {bold(message.name)} * {told}"
    who = bold(message.name) if message.direction == "incoming" else "You"
    text = "(a message that cannot be decrypted)" if message.text is None else block(message.text, "    ")
    line = f"{moment(message.at)}  {who}: {text}"
    if message.direction == "outgoing":
        line += click.style(f"  [{_STATES.get(message.state, message.state)}]", dim=True)
    if message.disappears_at is not None:
        line += click.style(f"  [disappears {moment(message.disappears_at)}]", dim=True)
    return line


@render.register
def _safety_number(safety: SafetyNumber) -> str:
    groups = [safety.number[start : start + _GROUP] for start in range(0, len(safety.number), _GROUP)]
    lines = [
        "    " + " ".join(groups[start : start + _GROUPS_PER_LINE]) for start in range(0, len(groups), _GROUPS_PER_LINE)
    ]
    name = bold(safety.name)
    state = (
        f"You have verified {name}."
        if safety.verified
        else (
            f"Not verified. Compare these digits with {name} in person or on a call. If they are the same on both "
            f"sides, nobody is in between: handshaker verify {safety.contact} --confirm"
        )
    )
    return "\n".join([f"Safety number with {name}:", *lines, state])


def safety_code(result: Result) -> str:
    """The code that a contact scans, drawn and as text."""
    if not isinstance(result, SafetyNumber):
        return render(result)
    name = bold(result.name)
    return "\n".join(
        [
            f"Let {name} scan this code, or type its text: handshaker verify YOUR-NAME --scan TEXT",
            drawn(result.code),
            result.code,
            f"You have verified {name}."
            if result.verified
            else f"Not verified. To compare the code that {name} shows: handshaker verify {result.contact} --scan TEXT",
        ]
    )


@render.register
def _session(session: Session) -> str:
    name = bold(session.name)
    keys = (
        f"Keys shared with {name}: in use, renewed {session.epoch or 0} times with ML-KEM."
        if session.sessions
        else f"Keys shared with {name}: none, they were deleted. The next message starts a new session."
    )
    if session.live == "idle":
        return keys
    live = _LIVE.get(session.live, session.live)
    if session.live == "ended":
        live = _LIVE_ENDED.get(session.ended or "", "is over")
    return f"{keys}\nLive session: {live}" + (f", since {moment(session.since)}." if session.since else ".")


_LIVE = {
    "offered": "you have offered one; they accept with `handshaker session start`",
    "accepting": "they offer one; to accept: handshaker session start",
    "live": "begun, its key is in memory on both sides",
}
_LIVE_ENDED = {
    "ended_here": "you ended it; its key is deleted",
    "ended_by_contact": "they ended it; its key is deleted",
    "no_answer": "nobody has accepted in two minutes",
    "not_there": "they are not online now",
    "too_long": "it ended after a day; its key is deleted",
    "session_ended": "it ended with the session; its key is deleted",
}


@render.register
def _ready(ready: Ready) -> str:
    return f"Handshaker is running (process {ready.process}). Other commands use it. Stop it with Ctrl-C."


@render.register
def _notice(notice: Notice) -> str:
    return one_line(notice.message)


def registered(result: Result) -> str:
    """A new account."""
    if not isinstance(result, Account):
        return render(result)
    if result.username:
        return (
            f"Done. You are {result.username} on {result.server}. Tell others this name, and they can connect with you."
        )
    return f"Done. Your account is on {result.server}. Others can connect with you by your link:\n{result.link}"


def logged_in(result: Result) -> str:
    """After a login."""
    return f"Logged in to {result.server}." if isinstance(result, Account) else render(result)


def logged_out(result: Result) -> str:
    """After a logout."""
    if not isinstance(result, Account):
        return render(result)
    return "Logged out. Keys, contacts and messages stay on this machine. To log in again: handshaker login"


def sent(result: Result) -> str:
    """What became of a message just sent."""
    if not isinstance(result, Message):
        return render(result)
    name = bold(result.name)
    match result.state:
        case "sending":
            return (
                f"Queued: the server has not taken the message for {name} yet. It is kept on this machine and goes out "
                "with the next send or receive, or by the daemon."
            )
        case "stored":
            return f"Stored: {name} gets the message when they are online again."
        case "delivered":
            return f"Delivered to {name}."
        case "read":
            return f"Delivered to {name}, and read."
        case _:
            return f"Not sent to {name}: {_FAILURES.get(result.failure or '', 'the server did not take it')}."


def bold(name: str) -> str:
    """A name that others chose."""
    return click.style(one_line(name), bold=True)


def moment(at: datetime) -> str:
    """In the reader's own time zone."""
    return f"{at.astimezone():%Y-%m-%d %H:%M}"


def _person(name: str, username: str | None, claimed: str | None) -> str:
    """The name with the username, if that is something else. A username that nobody checked is marked as such."""
    shown = bold(name)
    if username:
        return shown if username == name else f"{shown} ({username})"
    return f"{shown} (says: {one_line(claimed)})" if claimed and claimed != name else shown
