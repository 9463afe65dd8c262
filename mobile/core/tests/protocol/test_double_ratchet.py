"""The Double Ratchet by itself: limits, loss, order, secrecy over time, and its byte form."""

import hmac
import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from handshaker_core.errors import (
    ChainExhausted,
    DuplicateMessage,
    LowOrderPoint,
    MalformedFrame,
    MalformedState,
    ProtocolError,
    TooManySkipped,
    UndecryptableMessage,
)
from handshaker_core.protocol import double_ratchet
from handshaker_core.protocol.double_ratchet import MAX_RETIRED, MAX_SKIP, DoubleRatchetState
from handshaker_core.protocol.header import HEADER_SIZE, Header
from handshaker_core.protocol.kdf_chain import MAX_MESSAGE_NUMBER, KdfChain
from handshaker_core.protocol.keys import ChainKey, MessageKey, RatchetKeyPair, SharedSecret, X25519PublicKey
from handshaker_core.protocol.labels import Label
from handshaker_core.protocol.profile import HANDSHAKER_V1, FixedHeader
from handshaker_core.protocol.randomness import system_randomness
from handshaker_core.protocol.skipped_keys import MAX_STORED, SkippedMessageKeys
from hypothesis import given, settings
from hypothesis import strategies as st

AD = b"associated data"
CLASSICAL = replace(HANDSHAKER_V1, framing=FixedHeader(0))
"""The same without the place of the post-quantum header."""
SECRET = SharedSecret(b"s" * 32)


def start() -> tuple[DoubleRatchetState, DoubleRatchetState]:
    """Initiator and responder, before any message."""
    prekey = RatchetKeyPair.generate(system_randomness)
    initiator = double_ratchet.initiate(CLASSICAL, SECRET, prekey.public, system_randomness)
    return initiator, double_ratchet.respond(SECRET, prekey)


def send(state: DoubleRatchetState, text: bytes = b"text") -> tuple[DoubleRatchetState, bytes]:
    return double_ratchet.encrypt(CLASSICAL, state, text, AD, system_randomness)[:2]


def receive(state: DoubleRatchetState, message: bytes) -> tuple[DoubleRatchetState, bytes]:
    return double_ratchet.decrypt(CLASSICAL, state, double_ratchet.parse(CLASSICAL, message), AD)[:2]


def send_many(state: DoubleRatchetState, count: int) -> tuple[DoubleRatchetState, list[bytes]]:
    messages = []
    for number in range(count):
        state, message = send(state, b"%d" % number)
        messages.append(message)
    return state, messages


def established() -> tuple[DoubleRatchetState, DoubleRatchetState]:
    """After one message each way."""
    a, b = start()
    a, message = send(a)
    b, _ = receive(b, message)
    b, message = send(b)
    a, _ = receive(a, message)
    return a, b


def test_first_message_is_the_documented_formula() -> None:
    """Recomputed with the library's primitives from the private keys."""
    prekey = RatchetKeyPair.generate(system_randomness)
    state = double_ratchet.initiate(CLASSICAL, SECRET, prekey.public, system_randomness)
    _, message = send(state, b"plaintext")
    header, ciphertext = message[:HEADER_SIZE], message[HEADER_SIZE:]
    assert header == state.ratchet.own.public.raw + bytes(8)
    agreed = prekey.private.agree(state.ratchet.own.public)
    output = HKDF(SHA256(), 64, SECRET.raw, Label.RATCHET_ROOT.value).derive(agreed)
    message_key = hmac.digest(output[32:], b"\x01", "sha256")
    material = HKDF(SHA256(), 44, bytes(32), Label.RATCHET_MESSAGE_KEY.value).derive(message_key)
    assert AESGCM(material[:32]).decrypt(material[32:], ciphertext, AD + header) == b"plaintext"
    assert state.ratchet.root.raw == output[:32]


def test_any_order_decrypts_and_every_repeat_is_a_duplicate() -> None:
    a, b = established()
    a, messages = send_many(a, 30)
    order = list(range(30))
    random.Random(1).shuffle(order)
    for number in order:
        b, text = receive(b, messages[number])
        assert text == b"%d" % number
    assert len(b.skipped) == 0
    for message in messages:
        with pytest.raises(DuplicateMessage):
            receive(b, message)


def test_messages_of_earlier_chains_decrypt_later() -> None:
    a, b = established()
    late: list[tuple[bytes, bytes]] = []
    for turn in range(20):
        a, kept = send(a, b"late %d" % turn)
        late.append((kept, b"late %d" % turn))
        a, message = send(a)
        b, _ = receive(b, message)
        b, message = send(b)
        a, _ = receive(a, message)
    for message, expected in reversed(late):
        b, text = receive(b, message)
        assert text == expected
    assert len(b.skipped) == 0


def test_repeat_from_a_remembered_earlier_chain_is_a_duplicate_not_damage() -> None:
    a, b = established()
    a, old = send(a)
    b, _ = receive(b, old)
    for _ in range(MAX_RETIRED):
        b, message = send(b)
        a, _ = receive(a, message)
        a, message = send(a)
        b, _ = receive(b, message)
    with pytest.raises(DuplicateMessage):
        receive(b, old)
    b, message = send(b)
    a, _ = receive(a, message)
    a, message = send(a)
    b, _ = receive(b, message)
    assert len(b.retired) == MAX_RETIRED
    with pytest.raises(UndecryptableMessage):
        receive(b, old)


def jump(state: DoubleRatchetState, numbers: int) -> DoubleRatchetState:
    """As if the sender had encrypted so many messages that were all lost."""
    chain = state.ratchet.chains.sending
    assert chain is not None
    return replace(
        state, ratchet=replace(state.ratchet, chains=replace(state.ratchet.chains, sending=chain.forward(numbers)))
    )


def test_jump_equals_sending() -> None:
    a, b = established()
    a, _ = send(a)
    slow, _ = send_many(a, 5)
    assert jump(a, 5) == slow
    _, message = send(slow)
    receive(b, message)


def test_gap_within_the_bound_keeps_every_key_that_can_be_stored() -> None:
    a, b = established()
    a, messages = send_many(a, MAX_STORED + 11)
    b, _ = receive(b, messages[-1])
    assert len(b.skipped) == MAX_STORED
    for number in (10, 11, MAX_STORED, MAX_STORED + 9):
        b, text = receive(b, messages[number])
        assert text == b"%d" % number
    for number in (0, 9):
        with pytest.raises(DuplicateMessage):  # its key was given up
            receive(b, messages[number])


@pytest.mark.parametrize("new_chain", [True, False])
def test_skip_limit_is_exact(new_chain: bool) -> None:
    a, b = established()
    a, message = send(a)
    if not new_chain:
        b, _ = receive(b, message)
    a = jump(a, MAX_SKIP - 1 if new_chain else MAX_SKIP)
    a, furthest = send(a, b"furthest")
    a, too_far = send(a)
    with pytest.raises(TooManySkipped):
        receive(b, too_far)
    b, text = receive(b, furthest)
    assert text == b"furthest"
    receive(b, too_far)


@pytest.mark.parametrize("lost", [MAX_SKIP - 1, MAX_SKIP + 500])
def test_heavy_loss_in_a_finished_chain_does_not_lock_the_session(lost: int) -> None:
    a, b = established()
    a, message = send(a)
    b, _ = receive(b, message)
    a = jump(a, lost)
    a, old = send(a, b"old")
    b, message = send(b)
    a, _ = receive(a, message)
    a, message = send(a, b"after")
    b, text = receive(b, message)
    assert text == b"after"
    if lost < MAX_SKIP:
        assert len(b.skipped) == MAX_STORED
        assert receive(b, old)[1] == b"old"
    else:
        assert len(b.skipped) == 0
        with pytest.raises(DuplicateMessage):
            receive(b, old)


def test_stored_keys_are_bounded_and_the_oldest_go_first() -> None:
    a, b = established()
    history: list[list[bytes]] = []
    for _ in range(3):
        a, messages = send_many(a, 900)
        history.append(messages)
        b, _ = receive(b, messages[-1])
        b, message = send(b)
        a, _ = receive(a, message)
    assert len(b.skipped) == MAX_STORED
    dropped = 3 * 899 - MAX_STORED
    with pytest.raises(DuplicateMessage):
        receive(b, history[0][dropped - 1])
    for message in (history[0][dropped], history[1][0], history[2][897]):
        receive(b, message)
    assert DoubleRatchetState.from_bytes(b.to_bytes()) == b


def test_altered_messages_change_nothing_and_the_original_still_decrypts() -> None:
    a, b = established()
    a, _ = send(a)
    _, message = send(a, b"original")
    before = b.to_bytes()
    for position in range(len(message)):
        altered = bytearray(message)
        altered[position] ^= 1 << position % 8
        with pytest.raises(ProtocolError):
            receive(b, bytes(altered))
    for length in (0, 1, HEADER_SIZE - 1, HEADER_SIZE, HEADER_SIZE + 15, len(message) - 1):
        with pytest.raises(ProtocolError):
            receive(b, message[:length])
    with pytest.raises(UndecryptableMessage):
        double_ratchet.decrypt(CLASSICAL, b, double_ratchet.parse(CLASSICAL, message), AD + b"x")
    assert b.to_bytes() == before
    assert receive(b, message)[1] == b"original"


def test_own_messages_reflected_are_refused() -> None:
    a, b = established()
    a2, message = send(a)
    for state in (a, a2):
        with pytest.raises(UndecryptableMessage):
            receive(state, message)
    assert receive(b, message)[1] == b"text"


def test_low_order_ratchet_key_is_refused() -> None:
    a, b = established()
    _, message = send(a)
    for raw in (bytes(32), (1).to_bytes(32, "little")):
        with pytest.raises(LowOrderPoint):
            receive(b, raw + message[32:])
    receive(b, message)


def test_nothing_can_arrive_under_the_prekey_that_started_the_session() -> None:
    a, b = start()
    forged = Header(b.ratchet.own.public, 0, 0).encode() + bytes(20)
    with pytest.raises(UndecryptableMessage):
        receive(a, forged)
    a, message = send(a)
    receive(b, message)


def test_decrypting_needs_no_randomness_and_sending_takes_one_key_a_turn() -> None:
    a, b = established()
    calls: list[int] = []

    def counting(size: int) -> bytes:
        calls.append(size)
        return system_randomness(size)

    a, message = send(a)
    b, _ = receive(b, message)
    for _ in range(3):
        b, message, _ = double_ratchet.encrypt(CLASSICAL, b, b"x", AD, counting)
    assert calls == [32]


def test_forward_secrecy_a_stolen_state_does_not_open_what_was_received() -> None:
    a, b = established()
    a, old = send(a)
    b, _ = receive(b, old)
    with pytest.raises(DuplicateMessage):
        receive(b, old)
    _, skipped = old[:HEADER_SIZE], old[HEADER_SIZE:]
    chain = b.ratchet.chains.receiving
    assert chain is not None
    for secret in (chain.key.raw, b.ratchet.root.raw, b.ratchet.own.private.raw):
        material = HKDF(SHA256(), 44, None, Label.RATCHET_MESSAGE_KEY.value).derive(secret)
        assert CLASSICAL.aead.material_size == len(material)
        with pytest.raises(UndecryptableMessage):
            CLASSICAL.aead.open(material, skipped, AD + old[:HEADER_SIZE])


def test_post_compromise_security_a_round_trip_locks_a_thief_out() -> None:
    a, b = established()
    stolen = b
    a, message = send(a)
    assert receive(stolen, message)[1] == b"text"
    b, _ = receive(b, message)
    b, message = send(b)
    a, _ = receive(a, message)
    a, message = send(a, b"healed")
    assert receive(b, message)[1] == b"healed"
    with pytest.raises(ProtocolError):
        receive(stolen, message)


def test_salt_is_mixed_into_the_message_key_alone() -> None:
    a, b = established()
    salt = b"q" * 32
    a, message, _ = double_ratchet.encrypt(CLASSICAL, a, b"salted", AD, system_randomness, salt=salt)
    salted = double_ratchet.parse(CLASSICAL, message)
    _, plain = send(a, b"plain")
    for wrong in (None, b"Q" * 32):
        with pytest.raises(UndecryptableMessage):
            double_ratchet.decrypt(CLASSICAL, b, salted, AD, salt=wrong)
    b, text = receive(b, plain)
    assert text == b"plain"
    assert double_ratchet.decrypt(CLASSICAL, b, salted, AD, salt=salt)[1] == b"salted"


def test_chain_numbers_end() -> None:
    chain, _ = KdfChain(ChainKey(bytes(32)), MAX_MESSAGE_NUMBER - 1).step()
    assert chain.length == MAX_MESSAGE_NUMBER
    with pytest.raises(ChainExhausted):
        chain.step()


def test_header_layout_is_fixed_and_strict() -> None:
    key = X25519PublicKey((9).to_bytes(32, "little"))
    encoded = Header(key, 1, 258).encode()
    assert encoded == key.raw + b"\0\0\0\x01\0\0\x01\x02"
    assert Header.decode(encoded) == Header(key, 1, 258)
    with pytest.raises(MalformedFrame):
        Header.decode(encoded[:-1])
    with_more = Header(key, 1, 258, b"post-quantum")
    assert with_more.encode() == encoded + b"post-quantum"
    assert Header.decode(with_more.encode()) == with_more
    with pytest.raises(ValueError, match="another size"):
        HANDSHAKER_V1.framing.encode_header(with_more)


def test_skipped_keys_survive_their_byte_form_in_order() -> None:
    keys = SkippedMessageKeys()
    for chain in range(3):
        public = X25519PublicKey((9 + chain).to_bytes(32, "little"))
        keys = keys.with_added(public, [(number, MessageKey(bytes([chain, number] * 16))) for number in (5, 1, 7)])
    state = DoubleRatchetState(established()[0].ratchet, keys)
    restored = DoubleRatchetState.from_bytes(state.to_bytes())
    assert restored.skipped == keys
    assert restored.skipped.encode() == keys.encode()
    assert len(restored.skipped) == 9
    assert keys != SkippedMessageKeys()


def damaged_states() -> Iterator[bytes]:
    good = established()[0].to_bytes()
    assert DoubleRatchetState.from_bytes(good)
    yield from (b"", good[:-1], good + b"\0", b"\x02" + good[1:])
    repeated = (1).to_bytes(2, "big") + b"k" * 32 + (2).to_bytes(2, "big") + 2 * (bytes(4) + b"m" * 32)
    yield good[:-2] + repeated
    retired = established()[1].to_bytes()
    yield retired[:-3] + bytes([MAX_RETIRED + 1]) + bytes(32 * (MAX_RETIRED + 1)) + bytes(2)


def test_byte_form_of_a_state_is_strict() -> None:
    damaged = list(damaged_states())
    assert len(damaged) == 6
    for data in damaged:
        with pytest.raises(MalformedState):
            DoubleRatchetState.from_bytes(data)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=30))
def test_a_state_stored_and_restored_at_any_point_is_the_same(steps: list[tuple[bool, bool]]) -> None:
    states = list(established())
    for from_first, delivered in steps:
        sender, receiver = (0, 1) if from_first else (1, 0)
        states[sender], message = send(states[sender])
        if delivered:
            states[receiver], _ = receive(states[receiver], message)
        restored = [DoubleRatchetState.from_bytes(state.to_bytes()) for state in states]
        assert restored == states
        states = restored
