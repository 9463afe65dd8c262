"""Devices and recovery over real gRPC: every outcome, who may do what, and what a removed device can still do."""

import asyncio
import uuid

import grpc
import pytest
from handshaker_auth.domain.devices import MAX_DEVICES
from handshaker_proto.auth.v1 import devices_pb2

MALFORMED = (grpc.StatusCode.INVALID_ARGUMENT, "malformed")


def bearer(token):
    return (("authorization", f"Bearer {token}"),)


def arm(answer):
    return answer.WhichOneof("outcome")


class Person:
    """An account as one of its devices sees it."""

    def __init__(self, api, device, account_id, device_id, tokens):
        self.api, self.device, self.account_id = api, device, account_id
        self.device_id = device_id if isinstance(device_id, bytes) else uuid.UUID(device_id).bytes
        self.tokens = tokens
        self.metadata = bearer(tokens.access_token)

    @classmethod
    async def register(cls, api, device):
        registered = await api.register(device)
        return cls(api, device, registered.account_id, registered.device_id, registered.tokens)

    async def add(self, device):
        return await self.api.devices.AddDevice(device.joining(self.account_id), metadata=self.metadata)

    async def link(self, device):
        """Adds a device and logs it in."""
        added = (await self.add(device)).added
        tokens = (await self.api.log_in(device)).tokens
        return Person(self.api, device, self.account_id, added.device_id, tokens)

    async def listed(self):
        answer = await self.api.devices.ListDevices(devices_pb2.ListDevicesRequest(), metadata=self.metadata)
        return answer, {device.device_id: device.primary for device in answer.devices}

    async def remove(self, device_id):
        request = devices_pb2.RemoveDeviceRequest(device_id=device_id)
        return arm(await self.api.devices.RemoveDevice(request, metadata=self.metadata))

    async def set_recovery_key(self, key):
        return arm(await self.api.devices.SetRecoveryKey(key.as_recovery_key(self.account_id), metadata=self.metadata))


async def recover(api, key, device, *, remove_others=False):
    challenge = await api.challenge(key)
    return await api.recovery.Recover(key.recovers(challenge, device, remove_others=remove_others))


@pytest.fixture
async def alice(api, device):
    return await Person.register(api, device)


async def test_the_primary_admits_a_device_that_logs_in(api, alice, new_device):
    second = new_device()
    assert arm(await api.log_in(second)) == "refused"
    laptop = await alice.link(second)
    assert uuid.UUID(bytes=laptop.device_id).version == 4
    assert (await alice.listed())[1] == {alice.device_id: True, laptop.device_id: False}
    answer, seen_by_laptop = await laptop.listed()
    assert seen_by_laptop == (await alice.listed())[1]
    assert {found.device_public_key for found in answer.devices} == {alice.device.public, second.public}
    assert (await alice.add(second)).added.device_id == laptop.device_id, "repeating changes nothing"


async def test_a_proof_counts_for_its_account_and_key_alone(api, alice, new_device):
    bob, second, other = await Person.register(api, new_device()), new_device(), new_device()
    for request in (
        second.joining(bob.account_id),
        devices_pb2.AddDeviceRequest(device_public_key=second.public, proof=other.joining(alice.account_id).proof),
        devices_pb2.AddDeviceRequest(device_public_key=second.public, proof=second.registration().proof),
        devices_pb2.AddDeviceRequest(device_public_key=bytes(32), proof=bytes(64)),
    ):
        assert arm(await api.devices.AddDevice(request, metadata=alice.metadata)) == "bad_proof"
    assert arm(await alice.add(second)) == "added"
    assert arm(await bob.add(second)) == "key_taken"
    assert arm(await bob.add(alice.device)) == "key_taken"
    assert arm(await api.registration.Register(second.registration())) == "already_registered"


async def test_a_linked_device_admits_and_removes_nobody_but_leaves_by_itself(api, alice, new_device):
    laptop, tablet = await alice.link(new_device()), await alice.link(new_device())
    assert arm(await laptop.add(new_device())) == "not_primary"
    assert await laptop.set_recovery_key(new_device()) == "not_primary"
    for target in (alice, tablet):
        assert await laptop.remove(target.device_id) == "refused"
    assert len((await alice.listed())[1]) == 3
    assert await laptop.remove(laptop.device_id) == "removed"
    assert (await alice.listed())[1] == {alice.device_id: True, tablet.device_id: False}


async def test_a_removed_device_is_out_at_once(api, alice, new_device):
    laptop = await alice.link(new_device())
    assert arm(await api.refresh(laptop.device, laptop.tokens.refresh_token)) == "tokens"
    tokens = (await api.log_in(laptop.device)).tokens
    assert await alice.remove(laptop.device_id) == "removed"
    assert arm(await api.refresh(laptop.device, tokens.refresh_token)) == "refused"
    assert arm(await api.log_in(laptop.device)) == "refused"
    # Its access token lives for some minutes; it opens nothing here.
    assert arm(await laptop.add(new_device())) == "not_primary"
    answer, devices = await laptop.listed()
    assert (devices, answer.has_recovery_key) == ({}, False)
    assert await laptop.remove(laptop.device_id) == "refused"
    assert arm(await api.refresh(alice.device, alice.tokens.refresh_token)) == "tokens"


async def test_what_may_not_be_removed_is_one_answer(api, alice, new_device):
    bob = await Person.register(api, new_device())
    answers = [await alice.remove(target) for target in (bob.device_id, uuid.uuid4().bytes, alice.device_id, bytes(16))]
    assert set(answers) == {"refused"}
    assert (await bob.listed())[1] == {bob.device_id: True}
    assert (await alice.listed())[1] == {alice.device_id: True}


async def test_an_account_has_eight_devices_and_no_more_in_a_rush(alice, new_device):
    answers = await asyncio.gather(*(alice.add(new_device()) for _ in range(MAX_DEVICES + 4)))
    assert sorted(map(arm, answers)) == ["added"] * (MAX_DEVICES - 1) + ["too_many_devices"] * 5
    devices = (await alice.listed())[1]
    assert len(devices) == MAX_DEVICES
    linked = next(device_id for device_id, primary in devices.items() if not primary)
    assert await alice.remove(linked) == "removed"
    assert arm(await alice.add(new_device())) == "added"


async def test_the_recovery_key_is_set_once(api, alice, new_device):
    key, other, bob = new_device(), new_device(), await Person.register(api, new_device())
    assert not (await alice.listed())[0].has_recovery_key
    forged = devices_pb2.SetRecoveryKeyRequest(
        recovery_public_key=key.public, proof=key.as_recovery_key(bob.account_id).proof
    )
    assert arm(await api.devices.SetRecoveryKey(forged, metadata=alice.metadata)) == "bad_proof"
    assert [await alice.set_recovery_key(key) for _ in range(2)] == ["set", "set"]
    assert await alice.set_recovery_key(other) == "already_set"
    assert await bob.set_recovery_key(key) == "already_set", "one key, one account"
    assert (await alice.listed())[0].has_recovery_key
    assert arm(await api.log_in(key)) == "refused", "it never logs in"
    assert arm(await recover(api, other, new_device())) == "refused"


async def test_recovery_makes_a_new_primary(api, alice, new_device):
    key, phone, laptop = new_device(), new_device(), await alice.link(new_device())
    await alice.set_recovery_key(key)
    recovered = (await recover(api, key, phone)).recovered
    assert recovered.account_id == alice.account_id
    again = Person(api, phone, recovered.account_id, recovered.device_id, recovered.tokens)
    assert (await again.listed())[1] == {alice.device_id: False, laptop.device_id: False, again.device_id: True}
    assert arm(await alice.add(new_device())) == "not_primary", "the lost primary has no say any more"
    assert await again.remove(alice.device_id) == "removed"
    assert arm(await api.log_in(alice.device)) == "refused"
    assert arm(await api.log_in(phone)) == "tokens"
    # An answer that was lost on its way is asked for again.
    assert uuid.UUID((await recover(api, key, phone)).recovered.device_id).bytes == again.device_id


async def test_recovery_ends_all_others_if_asked_to(api, alice, new_device):
    key, phone = new_device(), new_device()
    await alice.set_recovery_key(key)
    others = [alice, *[await alice.link(new_device()) for _ in range(MAX_DEVICES - 1)]]
    assert arm(await recover(api, key, phone)) == "too_many_devices"
    assert len((await alice.listed())[1]) == MAX_DEVICES
    recovered = (await recover(api, key, phone, remove_others=True)).recovered
    again = Person(api, phone, recovered.account_id, recovered.device_id, recovered.tokens)
    assert (await again.listed())[1] == {again.device_id: True}
    for other in others:
        assert arm(await api.log_in(other.device)) == "refused"
        assert arm(await api.refresh(other.device, other.tokens.refresh_token)) == "refused"
    assert arm(await api.refresh(phone, recovered.tokens.refresh_token)) == "tokens"


async def test_a_recovery_takes_both_keys_and_a_fresh_challenge(api, alice, new_device, clock):
    key, phone, bob = new_device(), new_device(), await Person.register(api, new_device())
    await alice.set_recovery_key(key)
    challenge = await api.challenge(key)
    good, flipped, swapped, unheld, foreign = (key.recovers(challenge, phone) for _ in range(5))
    flipped.remove_other_devices = True
    swapped.device_public_key = bob.device.public
    unheld.device_proof = new_device().recovers(challenge, phone).signature
    foreign.challenge = await api.challenge(phone)
    for bad in (flipped, swapped, unheld, foreign, key.recovers(await api.challenge(key), bob.device)):
        assert arm(await api.recovery.Recover(bad)) == "refused"
    assert (await alice.listed())[1] == {alice.device_id: True}
    assert arm(await api.recovery.Recover(good)) == "recovered"
    assert arm(await api.recovery.Recover(good)) == "refused", "a challenge counts once"
    stale = key.recovers(await api.challenge(key), new_device())
    clock.advance(601)
    assert arm(await api.recovery.Recover(stale)) == "refused"


@pytest.mark.parametrize(("key", "proof"), [(31, 64), (33, 64), (32, 63), (32, 65), (0, 64)])
async def test_requests_of_the_wrong_size_are_rejected(api, alice, rejection, key, proof):
    bad = devices_pb2.AddDeviceRequest(device_public_key=bytes(key), proof=bytes(proof))
    assert await rejection(api.devices.AddDevice(bad, metadata=alice.metadata)) == MALFORMED
    bad_key = devices_pb2.SetRecoveryKeyRequest(recovery_public_key=bytes(key), proof=bytes(proof))
    assert await rejection(api.devices.SetRecoveryKey(bad_key, metadata=alice.metadata)) == MALFORMED
    bad_id = devices_pb2.RemoveDeviceRequest(device_id=bytes(key))
    assert await rejection(api.devices.RemoveDevice(bad_id, metadata=alice.metadata)) == MALFORMED
