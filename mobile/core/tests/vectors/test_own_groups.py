"""docs/protocol/vectors against a second implementation: the membership log and sender keys."""

import copy

import pytest

from .own import load
from .reference import groups
from .reference.basics import Refused, ed25519_public
from .reference.people import read_certificate


def test_a_history_and_what_the_rules_forbid() -> None:
    vectors = load("group-log")
    for member in vectors["members"].values():
        certificate = read_certificate(bytes.fromhex(member["certificate"]))
        assert ed25519_public(bytes.fromhex(member["identity_seed"])) == certificate.identity
        assert ed25519_public(bytes.fromhex(member["device_key_seed"])) == certificate.device_key
    group, states = None, []
    for case in vectors["entries"]:
        entry = groups.read_entry(bytes.fromhex(case["entry"]))
        if group is None:
            group = groups.Group(entry)
        else:
            group.apply(entry)
        assert entry.entry_hash.hex() == case["entry_hash"]
        assert (group.readers_left, group.digest().hex()) == (case["readers_left"], case["state_digest"])
        states.append(copy.deepcopy(group))
    assert {groups.read_entry(bytes.fromhex(case["entry"])).kind for case in vectors["entries"]} == set(range(1, 9))
    assert len(vectors["refused"]) == 11
    for case in vectors["refused"]:
        with pytest.raises(groups.RuleBroken) as caught:
            copy.deepcopy(states[case["after"]]).apply(groups.read_entry(bytes.fromhex(case["entry"])))
        assert str(caught.value) == case["reason"]


def test_an_altered_entry_is_refused() -> None:
    data = bytes.fromhex(load("group-log")["entries"][1]["entry"])
    assert groups.read_entry(data).sequence == 1
    for position in (0, 5, 34, 40, 100, 240, 246, 248, 260, len(data) - 1):
        with pytest.raises(Refused):
            groups.read_entry(data[:position] + bytes((data[position] ^ 1,)) + data[position + 1 :])


def test_messages_of_a_chain() -> None:
    vectors = load("sender-key")
    sender, head = bytes.fromhex(vectors["sender"]), bytes.fromhex(vectors["head"])
    chain = groups.Chain(bytes.fromhex(vectors["distribution"]), sender)
    assert (chain.key.hex(), chain.iteration) == (vectors["chain_key"], 0)
    assert ed25519_public(bytes.fromhex(vectors["signature_seed"])) == chain.signature_key
    assert (chain.group_id.hex(), chain.head) == (vectors["group_id"], head)
    for number in vectors["delivered"]:
        case = vectors["messages"][number]
        message = bytes.fromhex(case["message"])
        assert int.from_bytes(message[37:41], "big") == vectors["epoch"]
        before = copy.deepcopy(chain)
        assert chain.read(message, head).hex() == case["plaintext"]
        for refused, at in ((message, chain), (message[:-1] + bytes((message[-1] ^ 1,)), before)):
            with pytest.raises(Refused):
                at.read(refused, head)
        with pytest.raises(Refused):
            before.read(message, bytes(32))


def test_a_distribution_of_another_sender_is_refused() -> None:
    vectors = load("sender-key")
    sender = bytes.fromhex(vectors["sender"])
    with pytest.raises(Refused):
        groups.Chain(bytes.fromhex(vectors["distribution"]), sender[:32] + bytes(16) + sender[48:])
