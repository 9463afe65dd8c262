"""docs/protocol/groups.md: a history without forks, and one chain of a sender key."""

import hashlib
from dataclasses import dataclass, field
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .basics import Refused, chain_step, hkdf, require, verify, x25519_image
from .people import Certificate, read_certificate, read_device_list

CREATE, ADD, REMOVE, LEAVE, SET_ROLE, TRANSFER, SETTINGS, DEVICES = range(1, 9)
MEMBER, ADMIN, OWNER = 1, 2, 3
SIZES = {CREATE: 64, ADD: 32, REMOVE: 32, LEAVE: 0, SET_ROLE: 33, TRANSFER: 32, SETTINGS: 32}


class RuleBroken(Refused):
    """Well-formed and signed, and not allowed."""


class Entry(NamedTuple):
    group_id: bytes
    sequence: int
    previous: bytes
    certificate: Certificate
    time: int
    kind: int
    body: bytes
    entry_hash: bytes


def read_entry(data: bytes) -> Entry:
    require(len(data) >= 249 + 64 and data[0] == 1)
    sequence, certificate = int.from_bytes(data[33:37], "big"), read_certificate(data[69:238])
    kind, size = data[246], int.from_bytes(data[247:249], "big")
    require(kind in {*SIZES, DEVICES} and SIZES.get(kind, size) == size and len(data) == 249 + size + 64)
    content, signature = data[:-64], data[-64:]
    verify(certificate.device_key, "handshaker/v1/group/log-entry-signature", content, signature)
    require((sequence == 0) == (kind == CREATE) == (data[37:69] == bytes(32)))
    if sequence == 0:
        unnamed = content[:1] + bytes(32) + content[33:]
        require(hashlib.sha256(b"handshaker/v1/group/id" + unnamed).digest() == data[1:33])
    entry_hash = hashlib.sha256(b"handshaker/v1/group/log-entry-hash" + content).digest()
    time, body = int.from_bytes(data[238:246], "big"), data[249 : 249 + size]
    return Entry(data[1:33], sequence, data[37:69], certificate, time, kind, body, entry_hash)


@dataclass
class Member:
    role: int
    joined: int
    list_sequence: int = 0
    lists: int = 0
    devices: dict[bytes, bytes] = field(default_factory=dict)


class Group:
    """The state in force after a history."""

    def __init__(self, first: Entry) -> None:
        require(first.sequence == 0)
        self.group_id, self.epoch, self.head = first.group_id, 0, first.entry_hash
        self.settings, self.readers_left = first.body[32:], 0
        self.members = {first.certificate.identity: Member(OWNER, 0)}

    def apply(self, entry: Entry) -> None:
        """Raises: RuleBroken with the reason."""
        _rule(entry.group_id == self.group_id, "wrong_group")
        _rule(entry.sequence > self.epoch, "stale_entry")
        _rule(entry.sequence == self.epoch + 1 and entry.previous == self.head, "broken_chain")
        actor_key = entry.certificate.identity
        _rule(actor_key in self.members, "not_a_member")
        actor, allowed = self.members[actor_key], actor_key
        listed = self.members[actor_key].devices
        if entry.kind == DEVICES:
            _, _, found = read_device_list(entry.body)
            _rule(found[0].identity == allowed, "not_allowed")
            listed = {certificate.device_id: certificate.device_key for certificate in found}
        own = listed.get(entry.certificate.device_id)
        _rule(not listed or own == entry.certificate.device_key, "revoked_device")
        self._change(entry, actor_key, actor, listed)
        self.epoch, self.head = entry.sequence, entry.entry_hash

    def _change(self, entry: Entry, actor_key: bytes, actor: Member, listed: dict[bytes, bytes]) -> None:
        person = entry.body[:32]
        if entry.kind == ADD:
            _rule(actor.role >= ADMIN, "not_allowed")
            _rule(person not in self.members, "already_member")
            self.members[person] = Member(MEMBER, entry.sequence)
        elif entry.kind == REMOVE:
            _rule(actor.role >= ADMIN, "not_allowed")
            _rule(person in self.members, "not_a_member")
            _rule(self.members[person].role < actor.role, "not_allowed")
            del self.members[person]
            self.readers_left = entry.sequence
        elif entry.kind == LEAVE:
            self._keep_an_owner(actor_key)
            del self.members[actor_key]
            self.readers_left = entry.sequence
        elif entry.kind == SET_ROLE:
            self._set_role(actor_key, actor, person, entry.body[32])
        elif entry.kind == TRANSFER:
            _rule(actor.role == OWNER, "not_allowed")
            _rule(person in self.members, "not_a_member")
            _rule(self.members[person].role != OWNER, "nothing_to_change")
            self.members[person].role, actor.role = OWNER, ADMIN
        elif entry.kind == SETTINGS:
            _rule(actor.role >= ADMIN, "not_allowed")
            _rule(entry.body != self.settings, "nothing_to_change")
            self.settings = entry.body
        else:
            sequence, _, _ = read_device_list(entry.body)
            _rule(sequence > actor.list_sequence, "nothing_to_change")
            if not actor.devices or set(actor.devices.items()) - set(listed.items()):
                self.readers_left = entry.sequence
            actor.list_sequence, actor.devices, actor.lists = sequence, listed, actor.lists + 1

    def _set_role(self, actor_key: bytes, actor: Member, person: bytes, role: int) -> None:
        require(role in {MEMBER, ADMIN, OWNER})
        stepping_down = person == actor_key and role < actor.role
        _rule(actor.role == OWNER or stepping_down, "not_allowed")
        _rule(person in self.members, "not_a_member")
        current = self.members[person].role
        _rule(current != role, "nothing_to_change")
        _rule(stepping_down or current != OWNER, "not_allowed")
        if current == OWNER:
            self._keep_an_owner(person)
        self.members[person].role = role

    def _keep_an_owner(self, leaving: bytes) -> None:
        others = any(member.role == OWNER for key, member in self.members.items() if key != leaving)
        _rule(others or self.members[leaving].role != OWNER, "last_owner")

    def digest(self) -> bytes:
        parts = [self.group_id, _u32(self.epoch), self.head, self.settings, _u32(self.readers_left)]
        parts.append(len(self.members).to_bytes(2, "big"))
        for key, member in sorted(self.members.items()):
            numbers = _u32(member.joined) + _u32(member.list_sequence) + bytes((member.lists,))
            parts.append(key + bytes((member.role,)) + numbers)
        return hashlib.sha256(b"handshaker/v1/group/membership-state\x01" + b"".join(parts)).digest()


def _rule(holds: bool, reason: str) -> None:
    if not holds:
        raise RuleBroken(reason)


def _u32(value: int) -> bytes:
    return value.to_bytes(4, "big")


class Chain:
    """One chain of somebody else, as far as its distribution message reaches."""

    def __init__(self, distribution: bytes, sender: bytes) -> None:
        require(len(distribution) == 205 and distribution[0] == 1)
        self.group_id, self.chain_id = distribution[1:33], distribution[33:37]
        self.head, self.iteration = distribution[41:73], int.from_bytes(distribution[73:77], "big")
        self.key, self.signature_key = distribution[77:109], distribution[109:141]
        require(self.chain_id != bytes(4))
        x25519_image(self.signature_key)
        self.sender, self.skipped = sender, dict[int, bytes]()
        self._verify(b"handshaker/v1/group/sender-key-signature" + sender + distribution[:141], distribution[141:])

    def _verify(self, content: bytes, signature: bytes) -> None:
        try:
            Ed25519PublicKey.from_public_bytes(self.signature_key).verify(signature, content)
        except InvalidSignature:
            raise Refused from None

    def read(self, message: bytes, head: bytes) -> bytes:
        signed, signature = message[:-64], message[-64:]
        require(signed[0] == 1 and signed[1:33] == self.group_id and signed[33:37] == self.chain_id)
        data = self.sender + head
        self._verify(b"handshaker/v1/group/message-signature" + data + signed, signature)
        iteration = int.from_bytes(signed[41:45], "big")
        while self.iteration <= iteration:
            self.key, self.skipped[self.iteration] = chain_step(self.key)
            self.iteration += 1
        require(iteration in self.skipped)
        material = hkdf(None, self.skipped.pop(iteration), b"handshaker/v1/group/message-key", 44)
        try:
            return AESGCM(material[:32]).decrypt(material[32:], signed[45:], data + signed[:45])
        except InvalidTag:
            raise Refused from None
