"""Whom a name means, and that nobody can take over somebody else's."""

import pytest
from handshaker_cli.errors import AmbiguousContact, UnknownContact, UnknownRequest
from handshaker_cli.operations.resolve import find_contact, find_request
from handshaker_core.model import (
    Contact,
    ContactId,
    ContactState,
    Direction,
    Request,
    RequestId,
    RequestState,
)


def contact(number: int, name: str, username: str | None = None, claimed: str | None = None) -> Contact:
    return Contact(ContactId(number), name, username, claimed, ContactState.CONNECTED, verified=False)


ALICE = contact(1, "Alice", "alice.42", "alice.42")
ALAN = contact(2, "Alan", None, "alan.11")
BOB = contact(3, "Bob", "bob.77")
EVERYBODY = [ALICE, ALAN, BOB]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("1", ALICE),
        ("#3", BOB),
        ("alice.42", ALICE),
        ("@Alice.42", ALICE),
        ("ALICE", ALICE),
        (" bob ", BOB),
        ("alan.11", ALAN),
        ("alic", ALICE),
        ("b", BOB),
    ],
)
def test_numbers_usernames_names_and_their_beginnings(typed, meant):
    assert find_contact(EVERYBODY, typed) is meant


@pytest.mark.parametrize("typed", ["4", "carol", "", "@", "#", "9" * 5000, "lice"])
def test_nobody_fits(typed):
    with pytest.raises(UnknownContact, match="There is no contact"):
        find_contact(EVERYBODY, typed)


def test_several_fit_and_all_are_named():
    with pytest.raises(AmbiguousContact) as caught:
        find_contact(EVERYBODY, "al")
    assert str(caught.value) == "Several contacts fit: 1 (Alice), 2 (Alan). Use the number."


def test_a_name_that_somebody_takes_becomes_ambiguous_and_a_number_or_username_never_does():
    impostors = [contact(7, "Alice"), contact(8, "1"), contact(9, "alice.42"), contact(10, "Bo", None, "bob.77")]
    everybody = [*impostors, *EVERYBODY]
    with pytest.raises(AmbiguousContact):
        find_contact(everybody, "Alice")
    assert find_contact(everybody, "1") is ALICE
    assert find_contact(everybody, "alice.42") is ALICE
    assert find_contact(everybody, "bob.77") is BOB


def request(number: int, name: str, claimed: str | None = None) -> Request:
    return Request(
        RequestId(number),
        ContactId(number),
        Direction.INCOMING,
        RequestState.PENDING,
        name,
        None,
        claimed,
        "",
        0,
    )


def test_requests_go_by_number_or_by_a_name_that_is_unique():
    waiting = [request(1, "Alice", "alice.42"), request(2, "Bob"), request(3, "Bob")]
    assert find_request(waiting, "3") is waiting[2]
    assert find_request(waiting, "alice.42") is waiting[0]
    with pytest.raises(UnknownRequest, match="Several requests fit: 2, 3"):
        find_request(waiting, "bob")
    with pytest.raises(UnknownRequest, match="handshaker requests"):
        find_request(waiting, "9")
    with pytest.raises(UnknownRequest, match="No request is waiting"):
        find_request([], "1")
