"""What neither side accepts from the other. Each forgery stands between two messages that are accepted."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from handshaker_core.errors import LowOrderPoint, ProtocolError, TooManySkipped, UndecryptableMessage
from handshaker_core.protocol.curve25519 import LOW_ORDER_U
from handshaker_core.protocol.double_ratchet import MAX_SKIP
from handshaker_core.protocol.kdf_chain import KdfChain
from handshaker_core.protocol.keys import ChainKey, DeviceIdentityKeyPair, RatchetKeyPair
from handshaker_core.protocol.randomness import system_randomness
from peers.libsignal import Libsignal, LibsignalError, Message

from libsignal.ours import Ours, Session, typed
from libsignal.pairs import Pair, flipped, new_people, they_begin, we_begin
from libsignal.profile import LIBSIGNAL
from libsignal.spqr import PassiveSpqr
from libsignal.wire import PreKeyMessage, octets


@contextmanager
def between_controls(pair: Pair) -> Iterator[None]:
    """A message each way before and after."""
    pair.check()
    yield
    pair.check()


def they_refuse(pair: Pair, message: Message, because: str = "decryption failed") -> None:
    with pytest.raises(LibsignalError, match=because):
        pair.they_receive(message)


def with_kem_flipped(message: Message) -> Message:
    parsed = PreKeyMessage.decode(message.data)
    return Message(message.type, replace(parsed, kem_ciphertext=flipped(parsed.kem_ciphertext, 700)).encode())


def test_they_refuse_our_altered_kem_ciphertext(libsignal: Libsignal) -> None:
    we_begin(libsignal).check()
    ours, theirs = new_people(libsignal)
    pair = Pair(ours, theirs, ours.start(theirs.bundle()))
    message = pair.send(b"first")
    they_refuse(pair, with_kem_flipped(message))
    assert pair.they_receive(message) == b"first"
    pair.check()


def test_we_refuse_their_altered_kem_ciphertext(libsignal: Libsignal) -> None:
    they_begin(libsignal).check()
    ours, theirs = new_people(libsignal)
    theirs.start(ours.address, ours.bundle())
    message = theirs.encrypt(ours.address, b"first")
    with pytest.raises(UndecryptableMessage):
        ours.accept(with_kem_flipped(message))
    session, plaintext = ours.accept(message)
    assert plaintext == b"first"
    Pair(ours, theirs, session).check()


@pytest.mark.parametrize("begin", [we_begin, they_begin])
def test_no_bit_of_a_message_can_be_altered(libsignal: Libsignal, begin: type[Pair]) -> None:
    pair = begin(libsignal)
    with between_controls(pair):
        sent, received = pair.send(b"text"), pair.they_send(b"text")
        for position in range(len(sent.data)):
            with pytest.raises(LibsignalError):
                pair.they_receive(Message(sent.type, flipped(sent.data, position, position % 8)))
        for position in range(len(received.data)):
            with pytest.raises(ProtocolError):
                pair.receive(Message(received.type, flipped(received.data, position, position % 8)))
        assert pair.they_receive(sent) == pair.receive(received) == b"text"


@pytest.mark.parametrize("begin", [we_begin, they_begin])
def test_truncated_messages_are_refused(libsignal: Libsignal, begin: type[Pair]) -> None:
    pair = begin(libsignal)
    with between_controls(pair):
        sent, received = pair.send(b"text"), pair.they_send(b"text")
        for length in range(len(sent.data)):
            with pytest.raises(LibsignalError):
                pair.they_receive(Message(sent.type, sent.data[:length]))
        for length in range(len(received.data)):
            with pytest.raises(ProtocolError):
                pair.receive(Message(received.type, received.data[:length]))
        assert pair.they_receive(sent) == pair.receive(received) == b"text"


@pytest.mark.parametrize("end", ["local", "peer"])
def test_both_identities_are_bound_by_every_message(libsignal: Libsignal, end: str) -> None:
    pair = we_begin(libsignal)
    stranger = typed(DeviceIdentityKeyPair.generate().public.x25519)
    with between_controls(pair):
        as_stranger = replace(pair.session, **{end: stranger})
        they_refuse(pair, as_stranger.encrypt(b"text")[1])
        received = pair.they_send(b"text")
        with pytest.raises(UndecryptableMessage):
            as_stranger.decrypt(received)
        assert pair.receive(received) == b"text"


def test_wrong_post_quantum_chain_is_noticed_by_both(libsignal: Libsignal) -> None:
    pair = we_begin(libsignal)
    with between_controls(pair):
        wrong = replace(pair.session, spqr=PassiveSpqr.start(bytes(32), initiator=True))
        counted = replace(wrong.spqr, sending=replace(wrong.spqr.sending, index=pair.session.spqr.sending.index))
        they_refuse(pair, replace(wrong, spqr=counted).encrypt(b"text")[1])
        received = pair.they_send(b"text")
        with pytest.raises(UndecryptableMessage):
            wrong.decrypt(received)
        assert pair.receive(received) == b"text"


def test_wrong_sending_chain_is_noticed_by_them(libsignal: Libsignal) -> None:
    pair = we_begin(libsignal)
    with between_controls(pair):
        pair.send(b"lost, but our sending chain has begun")
        ratchet = pair.session.ratchet
        chains = ratchet.ratchet.chains
        wrong = replace(chains, sending=KdfChain(ChainKey(bytes(32)), chains.sending.length))
        session = replace(pair.session, ratchet=replace(ratchet, ratchet=replace(ratchet.ratchet, chains=wrong)))
        they_refuse(pair, session.encrypt(b"text")[1])


def test_wrong_ratchet_key_is_noticed_by_us(libsignal: Libsignal) -> None:
    pair = they_begin(libsignal)
    with between_controls(pair):
        assert pair.they_receive(pair.send(b"now they have a new ratchet key")) == b"now they have a new ratchet key"
        received = pair.they_send(b"text")
        ratchet = pair.session.ratchet
        other = replace(ratchet.ratchet, own=RatchetKeyPair.generate(system_randomness))
        with pytest.raises(UndecryptableMessage):
            replace(pair.session, ratchet=replace(ratchet, ratchet=other)).decrypt(received)
        assert pair.receive(received) == b"text"


def test_a_message_of_another_session_is_refused(libsignal: Libsignal) -> None:
    pair, other = we_begin(libsignal), we_begin(libsignal)
    with between_controls(pair), between_controls(other):
        sent, received = other.send(b"text"), other.they_send(b"text")
        they_refuse(pair, sent)
        with pytest.raises(UndecryptableMessage):
            pair.receive(received)
        assert other.they_receive(sent) == other.receive(received) == b"text"


def test_an_impostor_cannot_begin(libsignal: Libsignal) -> None:
    """Somebody names the identity key of another, but has not its private half."""
    we_begin(libsignal).check()
    ours, theirs = new_people(libsignal)
    impostor = Ours(ours.address)
    session = replace(impostor.start(theirs.bundle()), local=ours.identity)
    pair = Pair(impostor, theirs, session)
    they_refuse(pair, pair.send(b"it is me"))
    Pair(ours, theirs, ours.start(theirs.bundle())).check()


@pytest.mark.parametrize("point", sorted(LOW_ORDER_U))
def test_low_order_base_keys_are_refused_by_both(libsignal: Libsignal, point: int) -> None:
    low = b"\x05" + point.to_bytes(32, "little")
    we_begin(libsignal).check()
    they_begin(libsignal).check()
    ours, theirs = new_people(libsignal)
    pair = Pair(ours, theirs, ours.start(theirs.bundle()))
    message = pair.send(b"first")
    with pytest.raises(LibsignalError):
        pair.they_receive(Message(message.type, replace(PreKeyMessage.decode(message.data), base_key=low).encode()))
    assert pair.they_receive(message) == b"first"

    ours, theirs = new_people(libsignal)
    theirs.start(ours.address, ours.bundle())
    message = theirs.encrypt(ours.address, b"first")
    with pytest.raises(LowOrderPoint):
        ours.accept(Message(message.type, replace(PreKeyMessage.decode(message.data), base_key=low).encode()))
    assert ours.accept(message)[1] == b"first"


def ahead(session: Session, messages: int) -> Session:
    """As if so many messages had been sent, and lost."""
    ratchet = session.ratchet.ratchet
    chains = replace(ratchet.chains, sending=ratchet.chains.sending.forward(messages))
    return replace(session, ratchet=replace(session.ratchet, ratchet=replace(ratchet, chains=chains)))


def test_they_bear_as_many_missing_messages_as_we_may_lose(libsignal: Libsignal) -> None:
    for messages, accepted in ((MAX_SKIP, True), (MAX_SKIP + 1, False)):
        pair = we_begin(libsignal)
        pair.check()
        pair.they_receive(pair.send(b"our sending chain has begun"))
        message = ahead(pair.session, messages).encrypt(b"text")[1]
        if accepted:
            assert pair.they_receive(message) == b"text"
        else:
            they_refuse(pair, message)
            pair.check()


def test_we_bear_as_many_missing_messages(libsignal: Libsignal) -> None:
    pair = we_begin(libsignal)
    with between_controls(pair):
        message = pair.they_send(b"text")
        header, _, _ = LIBSIGNAL.framing.split(message.data)
        for ahead_by, refusal in ((MAX_SKIP, UndecryptableMessage), (MAX_SKIP + 1, TooManySkipped)):
            encoded = LIBSIGNAL.framing.encode_header(replace(header, number=header.number + ahead_by))
            with pytest.raises(refusal):
                pair.receive(Message(message.type, encoded + octets(4, bytes(16)) + bytes(8)))
        assert pair.receive(message) == b"text"
