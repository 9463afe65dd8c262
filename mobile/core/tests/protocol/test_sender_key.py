"""One chain, one recipient: order, loss, repetition, alteration, bounds, stored states."""

from dataclasses import replace

import pytest
from handshaker_core.errors import (
    BadKey,
    BadSignature,
    ChainExhausted,
    DuplicateMessage,
    LowOrderPoint,
    MalformedFrame,
    MalformedState,
    ProtocolError,
    TooManySkipped,
    UndecryptableMessage,
    UnsupportedVersion,
)
from handshaker_core.protocol.groups import sender_key
from handshaker_core.protocol.groups.errors import ConflictingSenderKey, MalformedSenderKey, UnknownSenderKey
from handshaker_core.protocol.groups.ids import EntryHash
from handshaker_core.protocol.groups.sender_chain import MAX_ITERATION, SenderChain
from handshaker_core.protocol.groups.sender_key import (
    MAX_CHAINS,
    MAX_FORWARD_JUMP,
    MAX_STORED,
    SenderKeyRecord,
    SendingSenderKey,
)
from handshaker_core.protocol.groups.sender_key_profile import (
    GROUP_HEADER_SIZE,
    GROUP_MESSAGE_OVERHEAD,
    HANDSHAKER_GROUP_V1,
    SENDER_KEY_SIZE,
)

from .group_people import numbered, seed
from .parties import flip

GROUP, HEAD = seed("group"), EntryHash(seed("head"))
AD = b"sender and history"
EPOCH = 7


def new(name: str = "chain") -> SendingSenderKey:
    return SendingSenderKey.create(GROUP, EPOCH, HEAD, numbered(name))


def encrypt(key: SendingSenderKey, *plaintexts: bytes) -> tuple[SendingSenderKey, list[bytes]]:
    messages = []
    for plaintext in plaintexts:
        key, message = sender_key.encrypt(HANDSHAKER_GROUP_V1, key, EPOCH, plaintext, AD)
        messages.append(message)
    return key, messages


def take_up(key: SendingSenderKey, record: SenderKeyRecord | None = None) -> SenderKeyRecord:
    return sender_key.process(record or SenderKeyRecord(), sender_key.distribution(HANDSHAKER_GROUP_V1, key))


def decrypt(record: SenderKeyRecord, message: bytes, associated_data: bytes = AD) -> tuple[SenderKeyRecord, bytes]:
    parsed = HANDSHAKER_GROUP_V1.framing.split(message)
    return sender_key.decrypt(HANDSHAKER_GROUP_V1, record, parsed, associated_data)


def far_ahead(key: SendingSenderKey, steps: int) -> SendingSenderKey:
    return replace(key, chain=key.chain.forward(steps))


def test_any_order_and_each_once() -> None:
    key = new()
    record = take_up(key)
    plaintexts = [b"", b"one", b"two" * 500, b"three"]
    _, messages = encrypt(key, *plaintexts)
    assert [len(message) for message in messages] == [len(text) + GROUP_MESSAGE_OVERHEAD for text in plaintexts]
    for number in (2, 0, 3, 1):
        record, plaintext = decrypt(record, messages[number])
        assert plaintext == plaintexts[number]
        record = SenderKeyRecord.from_bytes(record.to_bytes())
        with pytest.raises(DuplicateMessage):
            decrypt(record, messages[number])
    assert record.chains[0].skipped == {}


def test_every_bit_of_a_message_counts() -> None:
    key = new()
    record = take_up(key)
    _, (message, following) = encrypt(key, b"text", b"next")
    stored = record.to_bytes()
    for position in range(len(message)):
        with pytest.raises(ProtocolError) as refused:
            decrypt(record, flip(message, position, position % 8))
        expected = (UnsupportedVersion,) if position == 0 else (BadSignature, UnknownSenderKey)
        assert isinstance(refused.value, expected)
    for wrong in (b"", AD + b"!", AD[:-1]):
        with pytest.raises(BadSignature):
            decrypt(record, message, wrong)
    for length in (0, 1, GROUP_MESSAGE_OVERHEAD - 1):
        with pytest.raises(MalformedFrame):
            decrypt(record, message[:length])
    assert record.to_bytes() == stored
    record, plaintext = decrypt(record, message)
    assert plaintext == b"text"
    assert decrypt(record, following)[1] == b"next"


def test_a_holder_of_the_chain_cannot_write() -> None:
    """Every reader has the chain key; only the sender has the signature key."""
    key = new()
    record = take_up(key)
    forger = replace(key, signature_key=new("forger").signature_key)
    _, (forged,) = encrypt(forger, b"forged")
    with pytest.raises(BadSignature):
        decrypt(record, forged)
    _, (honest,) = encrypt(key, b"honest")
    assert decrypt(record, honest)[1] == b"honest"


def test_signed_but_not_encrypted_with_the_chain() -> None:
    key = new()
    record = take_up(key)
    _, (message,) = encrypt(replace(key, chain=new("other").chain), b"text")
    with pytest.raises(UndecryptableMessage):
        decrypt(record, message)
    assert decrypt(record, encrypt(key, b"text")[1][0])[1] == b"text"


def test_what_was_given_later_reads_nothing_earlier() -> None:
    key, (before,) = encrypt(new(), b"before")
    record = take_up(key)
    _, (after,) = encrypt(key, b"after")
    with pytest.raises(DuplicateMessage):
        decrypt(record, before)
    assert decrypt(record, after)[1] == b"after"


def test_a_repeated_distribution_neither_rewinds_nor_skips() -> None:
    key = new()
    record = take_up(key)
    later, (first, second) = encrypt(key, b"1", b"2")
    record, _ = decrypt(record, second)
    assert take_up(key, record) is record
    assert take_up(later, record) is record
    with pytest.raises(DuplicateMessage):
        decrypt(take_up(key, record), second)
    assert decrypt(take_up(later, record), first)[1] == b"1"


def test_another_key_under_a_known_id_is_refused() -> None:
    key = new()
    record = take_up(key)
    impostor = replace(new("other"), chain_id=key.chain_id)
    with pytest.raises(ConflictingSenderKey):
        take_up(impostor, record)
    assert len(take_up(new("other"), record).chains) == 2


def test_the_jump_is_bounded_and_the_newest_keys_of_a_gap_are_kept() -> None:
    key = new()
    record = take_up(key)
    _, (too_far,) = encrypt(far_ahead(key, MAX_FORWARD_JUMP + 1), b"too far")
    with pytest.raises(TooManySkipped):
        decrypt(record, too_far)
    _, (far,) = encrypt(far_ahead(key, MAX_FORWARD_JUMP), b"far")
    record, plaintext = decrypt(record, far)
    assert plaintext == b"far"
    assert list(record.chains[0].skipped) == list(range(MAX_FORWARD_JUMP - MAX_STORED, MAX_FORWARD_JUMP))
    _, (oldest_kept,) = encrypt(far_ahead(key, MAX_FORWARD_JUMP - MAX_STORED), b"kept")
    _, (dropped,) = encrypt(far_ahead(key, MAX_FORWARD_JUMP - MAX_STORED - 1), b"dropped")
    assert decrypt(record, oldest_kept)[1] == b"kept"
    with pytest.raises(DuplicateMessage):
        decrypt(record, dropped)
    assert SenderKeyRecord.from_bytes(record.to_bytes()) == record


def test_keys_are_bounded_over_all_chains_and_the_oldest_go_first() -> None:
    first, second = new("first"), new("second")
    record = take_up(second, take_up(first))
    _, (message,) = encrypt(far_ahead(first, 1_500), b"")
    record, _ = decrypt(record, message)
    _, (message,) = encrypt(far_ahead(second, 1_000), b"")
    record, _ = decrypt(record, message)
    assert [len(chain.skipped) for chain in record.chains] == [1_000, 1_000]
    assert min(record.chains[0].skipped) == 500
    _, (message,) = encrypt(far_ahead(second, 2_500), b"")
    record, _ = decrypt(record, message)
    assert [len(chain.skipped) for chain in record.chains] == [0, 2_000]
    assert min(record.chains[1].skipped) == 499  # the thousand before, and the newest of the gap after them


@pytest.mark.parametrize(("second_gap", "left"), [(499, 1_500), (500, 1_500), (501, 1_499), (502, 1_498)])
def test_one_key_too_many_drops_one(second_gap: int, left: int) -> None:
    first, second = new("first"), new("second")
    record = take_up(second, take_up(first))
    for key, gap in ((first, 1_500), (second, second_gap)):
        record, _ = decrypt(record, encrypt(far_ahead(key, gap), b"")[1][0])
    assert [len(chain.skipped) for chain in record.chains] == [left, second_gap]


def test_only_the_newest_chains_are_kept() -> None:
    keys = [new(str(number)) for number in range(MAX_CHAINS + 1)]
    record = SenderKeyRecord()
    for key in keys:
        record = take_up(key, record)
    assert [chain.chain_id for chain in record.chains] == [key.chain_id for key in keys[1:]]
    with pytest.raises(UnknownSenderKey):
        decrypt(record, encrypt(keys[0], b"late")[1][0])
    for key in keys[1:]:
        assert decrypt(record, encrypt(key, b"late")[1][0])[1] == b"late"


def test_a_chain_ends() -> None:
    key = new()
    last = replace(key, chain=SenderChain(key.chain.key, MAX_ITERATION - 1))
    record = take_up(last)
    ended, (message,) = encrypt(last, b"last")
    assert decrypt(record, message)[1] == b"last"
    with pytest.raises(ChainExhausted):
        encrypt(ended, b"one more")


def test_chain_ids_are_never_zero_and_have_31_bits() -> None:
    assert SendingSenderKey.create(GROUP, 0, HEAD, bytes).chain_id == 1
    assert SendingSenderKey.create(GROUP, 0, HEAD, lambda size: b"\xff" * size).chain_id == 2**31 - 1


def test_states_come_back_from_bytes_and_damaged_ones_do_not() -> None:
    key, _ = encrypt(new(), b"1")
    assert SendingSenderKey.from_bytes(key.to_bytes()) == key
    record = take_up(new("b"), take_up(new("a")))
    record, _ = decrypt(record, encrypt(far_ahead(new("a"), 3), b"")[1][0])
    assert SenderKeyRecord.from_bytes(record.to_bytes()) == record
    for kind, data in ((SendingSenderKey, key.to_bytes()), (SenderKeyRecord, record.to_bytes())):
        for damaged in (b"", data[:-1], data + b"\x00", b"\x02" + data[1:]):
            with pytest.raises(MalformedState):
                kind.from_bytes(damaged)
    skipping = record.chains[0]
    ahead = replace(skipping, skipped={skipping.chain.iteration: skipping.skipped[0]})
    with pytest.raises(MalformedState):
        SenderKeyRecord.from_bytes(SenderKeyRecord((ahead,)).to_bytes())
    one, other = (bytes(3) + bytes([number]) + skipping.skipped[number].raw for number in (0, 1))
    with pytest.raises(MalformedState):
        SenderKeyRecord.from_bytes(record.to_bytes().replace(other, one))
    twice = SenderKeyRecord((*record.chains, record.chains[0]))
    with pytest.raises(MalformedState):
        SenderKeyRecord.from_bytes(twice.to_bytes())
    many = SenderKeyRecord(tuple(replace(record.chains[1], chain_id=number) for number in range(1, MAX_CHAINS + 2)))
    with pytest.raises(MalformedState):
        SenderKeyRecord.from_bytes(many.to_bytes())
    assert SenderKeyRecord.from_bytes(SenderKeyRecord(many.chains[:MAX_CHAINS]).to_bytes())


def test_nothing_secret_is_in_a_repr() -> None:
    key = new()
    record = take_up(key)
    record, _ = decrypt(record, encrypt(far_ahead(key, 2), b"")[1][0])
    for shown in (repr(key), repr(record), repr(sender_key.distribution(HANDSHAKER_GROUP_V1, key))):
        assert repr(key.chain.key.raw) not in shown
        assert repr(key.signature_key.raw) not in shown
        assert "redacted" in shown


def encode_distribution(key: SendingSenderKey, sender: bytes = b"sender") -> bytes:
    given = sender_key.distribution(HANDSHAKER_GROUP_V1, key)
    return HANDSHAKER_GROUP_V1.framing.encode_distribution(given, key.signature_key, sender)


def test_distributions_are_bound_to_their_sender_and_every_bit_of_them_counts() -> None:
    key, _ = encrypt(new(), b"1", b"2")
    data = encode_distribution(key)
    decode = HANDSHAKER_GROUP_V1.framing.decode_distribution
    assert len(data) == SENDER_KEY_SIZE == 205
    assert decode(data, b"sender") == sender_key.distribution(HANDSHAKER_GROUP_V1, key)
    for position in range(len(data)):
        with pytest.raises((BadSignature, UnsupportedVersion, BadKey)):
            decode(flip(data, position, position % 8), b"sender")
    with pytest.raises(BadSignature):
        decode(data, b"mallory")
    for wrong in (b"", data[:-1], data + b"\x00"):
        with pytest.raises((MalformedSenderKey, UnsupportedVersion)):
            decode(wrong, b"sender")
    assert decode(data, b"sender").chain.iteration == 2


def test_distributions_that_no_client_makes_are_refused() -> None:
    key = new()
    decode = HANDSHAKER_GROUP_V1.framing.decode_distribution
    for change in ({"chain_id": 0}, {"head": EntryHash(bytes(32))}):
        with pytest.raises(MalformedSenderKey):
            decode(encode_distribution(replace(key, **change)), b"sender")
    given = replace(sender_key.distribution(HANDSHAKER_GROUP_V1, key), signature_key=b"\x01" + bytes(31))
    anybody = HANDSHAKER_GROUP_V1.framing.encode_distribution(given, key.signature_key, b"sender")
    with pytest.raises(LowOrderPoint):
        decode(anybody, b"sender")
    assert decode(encode_distribution(key), b"sender")


def test_the_header_is_what_the_documentation_says() -> None:
    _, (message,) = encrypt(far_ahead(new(), 5), b"text")
    assert message[0] == 1
    assert message[1:33] == GROUP
    assert int.from_bytes(message[33:37], "big") == new().chain_id
    assert int.from_bytes(message[37:41], "big") == EPOCH
    assert int.from_bytes(message[41:45], "big") == 5
    assert GROUP_HEADER_SIZE == 45
    assert GROUP_MESSAGE_OVERHEAD == 45 + 16 + 64
