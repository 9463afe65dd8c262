"""PQXDH and the first messages, begun by either side."""

from collections.abc import Callable

import pytest
from handshaker_core.errors import BadSignature, DuplicateMessage, UnknownPreKey
from peers.libsignal import Libsignal, LibsignalError

from libsignal.ours import ORDINARY, WITH_HANDSHAKE
from libsignal.pairs import Pair, new_people, they_begin, we_begin

Begin = Callable[..., Pair]
BOTH_WAYS = pytest.mark.parametrize("begin", [we_begin, they_begin])


@BOTH_WAYS
@pytest.mark.parametrize("one_time", [True, False])
def test_a_session_begun_by_either_side_goes_on(libsignal: Libsignal, begin: Begin, one_time: bool) -> None:
    pair = begin(libsignal, one_time=one_time)
    for _ in range(5):
        pair.check()


def test_handshake_travels_until_the_first_answer_from_us(libsignal: Libsignal) -> None:
    pair = we_begin(libsignal)
    assert pair.send(b"second").type == WITH_HANDSHAKE
    assert pair.receive(pair.they_send(b"answer")) == b"answer"
    third = pair.send(b"third")
    assert third.type == ORDINARY
    assert pair.they_receive(third) == b"third"


def test_handshake_travels_until_the_first_answer_from_them(libsignal: Libsignal) -> None:
    pair = they_begin(libsignal)
    second = pair.they_send(b"second")
    assert second.type == WITH_HANDSHAKE
    assert pair.receive(second) == b"second"
    assert pair.they_receive(pair.send(b"answer")) == b"answer"
    third = pair.they_send(b"third")
    assert third.type == ORDINARY
    assert pair.receive(third) == b"third"


def test_any_of_our_first_messages_is_enough(libsignal: Libsignal) -> None:
    ours, theirs = new_people(libsignal)
    pair = Pair(ours, theirs, ours.start(theirs.bundle()))
    messages = [pair.send(b"%d" % number) for number in range(4)]
    for number in (2, 0, 3, 1):
        assert pair.they_receive(messages[number]) == b"%d" % number
    pair.check()


def test_any_of_their_first_messages_is_enough(libsignal: Libsignal) -> None:
    ours, theirs = new_people(libsignal)
    theirs.start(ours.address, ours.bundle())
    messages = [theirs.encrypt(ours.address, b"%d" % number) for number in range(4)]
    session, plaintext = ours.accept(messages[2])
    assert plaintext == b"2"
    pair = Pair(ours, theirs, session)
    for number in (0, 3, 1):
        assert pair.receive(messages[number]) == b"%d" % number
    pair.check()


@BOTH_WAYS
def test_messages_of_every_length(libsignal: Libsignal, begin: Begin) -> None:
    pair = begin(libsignal)
    for size in (0, 1, 15, 16, 17, 127, 128, 4_096, 65_536):
        assert pair.they_receive(pair.send(bytes(size))) == bytes(size)
        assert pair.receive(pair.they_send(bytes(size))) == bytes(size)


def test_one_time_keys_serve_once_here(libsignal: Libsignal) -> None:
    ours, theirs = new_people(libsignal)
    bundle = ours.bundle()
    theirs.start(ours.address, bundle)
    message = theirs.encrypt(ours.address, b"first")
    ours.accept(message)
    with pytest.raises(UnknownPreKey):
        ours.accept(message)
    theirs.start(ours.address, ours.bundle())
    assert ours.accept(theirs.encrypt(ours.address, b"with fresh keys"))[1] == b"with fresh keys"


def test_one_time_keys_serve_once_there(libsignal: Libsignal) -> None:
    ours, theirs = new_people(libsignal)
    bundle = theirs.bundle()
    first = Pair(ours, theirs, ours.start(bundle))
    first.check()
    second = Pair(ours, theirs, ours.start(bundle))
    with pytest.raises(LibsignalError, match="no prekey"):
        second.they_receive(second.send(b"with used keys"))
    Pair(ours, theirs, ours.start(theirs.bundle())).check()


@BOTH_WAYS
def test_a_repeated_message_is_recognised_by_both(libsignal: Libsignal, begin: Begin) -> None:
    pair = begin(libsignal)
    pair.check()
    sent, received = pair.send(b"once"), pair.they_send(b"once")
    assert pair.they_receive(sent) == pair.receive(received) == b"once"
    with pytest.raises(LibsignalError) as refused:
        pair.they_receive(sent)
    assert refused.value.code == "DuplicatedMessage"
    with pytest.raises(DuplicateMessage):
        pair.receive(received)
    pair.check()


@pytest.mark.parametrize("wrong", ["signed_signature", "kem_signature"])
def test_neither_side_begins_with_a_wrongly_signed_bundle(libsignal: Libsignal, wrong: str) -> None:
    we_begin(libsignal).check()
    they_begin(libsignal).check()
    ours, theirs = new_people(libsignal)
    good, our_good = theirs.bundle(), ours.bundle()
    other, our_other = theirs.bundle(), ours.bundle()
    with pytest.raises(BadSignature):
        ours.start(type(good)(**{**good.write(), wrong: getattr(other, wrong)}))
    with pytest.raises(LibsignalError) as refused:
        theirs.start(ours.address, type(good)(**{**our_good.write(), wrong: getattr(our_other, wrong)}))
    assert refused.value.code in {"InvalidSignature", "Generic"}, refused.value
    Pair(ours, theirs, ours.start(good)).check()
    theirs.start(ours.address, our_good)
    assert ours.accept(theirs.encrypt(ours.address, b"first"))[1] == b"first"
