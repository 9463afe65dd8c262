"""Over REST, unknown, forbidden and blocked are one answer: status, header and bytes."""

import os

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from handshaker_proto.keys.v1 import keys_pb2
from handshaker_proto.notify.v1 import notify_pb2
from load.mailboxes import Mailbox

from e2e.calls import (
    bundle,
    certificate,
    creation,
    deletion,
    new_mailbox,
    prekeys,
    seal_target,
    subscription_state,
    username,
    wake_target,
)
from e2e.rest import ROUTE, Account


def one_refusal(answers):
    answers[0].problem(403, "refused")
    assert len({answer.identity() for answer in answers}) == 1, [answer.body for answer in answers]


async def test_bundles_of_nobody_and_of_others(gateway):
    owner, stranger = await Account.register(gateway), await Account.register(gateway)
    mine = bundle()
    (await owner.call("PublishBundle", mine)).granted()
    (await owner.call("UploadPreKeys", prekeys(mine.bundle_id))).granted()
    ids = [mine.bundle_id, os.urandom(16), bytes(16)]
    one_refusal([await stranger.call("UploadPreKeys", prekeys(bundle_id)) for bundle_id in ids])
    one_refusal([await stranger.call("GetPreKeyCounts", keys_pb2.GetPreKeyCountsRequest(bundle_id=i)) for i in ids])
    one_refusal([await owner.call("GetPreKeyCounts", keys_pb2.GetPreKeyCountsRequest(bundle_id=i)) for i in ids[1:]])
    unknown = [keys_pb2.FetchBundleRequest(bundle_id=bundle_id) for bundle_id in ids[1:]]
    one_refusal([await gateway.call(ROUTE["FetchBundle"], request) for request in unknown])
    counts = await owner.call("GetPreKeyCounts", keys_pb2.GetPreKeyCountsRequest(bundle_id=mine.bundle_id))
    assert counts.granted() == {"one_time_prekeys": 3, "kem_prekeys": 2}
    fetched = await gateway.call(ROUTE["FetchBundle"], keys_pb2.FetchBundleRequest(bundle_id=mine.bundle_id))
    assert fetched.granted()["one_time_prekey"]


async def test_taking_over_a_bundle_is_like_having_too_many(gateway):
    owner, stranger = await Account.register(gateway), await Account.register(gateway)
    theirs = bundle()
    (await owner.call("PublishBundle", theirs)).granted()
    taken = await stranger.call("PublishBundle", bundle(theirs.bundle_id))
    for _ in range(8):
        (await stranger.call("PublishBundle", bundle())).granted()
    one_refusal([taken, await stranger.call("PublishBundle", bundle())])
    fetched = await gateway.call(ROUTE["FetchBundle"], keys_pb2.FetchBundleRequest(bundle_id=theirs.bundle_id))
    assert len(fetched.granted()["base"]["identity_key"]) == 43


async def test_certificates_of_nobody_and_of_others(gateway):
    owner, stranger = await Account.register(gateway), await Account.register(gateway)
    mine, without = bundle(), bundle()
    for published in (mine, without):
        (await owner.call("PublishBundle", published)).granted()
    (await owner.call("PublishOpenPgp", certificate(mine.bundle_id))).granted()
    unknown = os.urandom(16)
    taken = [await stranger.call("PublishOpenPgp", certificate(bundle_id)) for bundle_id in (mine.bundle_id, unknown)]
    fetch = [keys_pb2.FetchOpenPgpRequest(bundle_id=bundle_id) for bundle_id in (without.bundle_id, unknown)]
    one_refusal([*taken, *[await gateway.call(ROUTE["FetchOpenPgp"], request) for request in fetch]])
    others = [keys_pb2.UnpublishOpenPgpRequest(bundle_id=i) for i in (mine.bundle_id, without.bundle_id, unknown)]
    assert len({(await stranger.call("UnpublishOpenPgp", request)).identity() for request in others}) == 1
    found = await gateway.call(ROUTE["FetchOpenPgp"], keys_pb2.FetchOpenPgpRequest(bundle_id=mine.bundle_id))
    assert len(found.granted()["certificate"]) == 934


async def test_names_that_nobody_has_or_had(gateway):
    owner, other = await Account.register(gateway), await Account.register(gateway)
    name, released = username(), username()
    (await other.call("SetUsername", released)).granted()
    (await other.call("ReleaseUsername", keys_pb2.ReleaseUsernameRequest())).granted()
    (await owner.call("SetUsername", name)).granted()
    (await other.call("SetUsername", username(name.lookup_hash))).problem(409, "username_taken")
    unknown = [released.lookup_hash, os.urandom(32), bytes(32), name.lookup_hash[::-1]]
    requests = [keys_pb2.LookupUsernameRequest(lookup_hash=lookup_hash) for lookup_hash in unknown]
    one_refusal([await gateway.call(ROUTE["LookupUsername"], request) for request in requests])
    found = await gateway.call(ROUTE["LookupUsername"], keys_pb2.LookupUsernameRequest(lookup_hash=name.lookup_hash))
    assert len(found.granted()["sealed_address"]) == 683


async def test_mailboxes_of_nobody_and_of_others(gateway):
    mailbox, unknown, gone = await new_mailbox(gateway), Mailbox.new(), await new_mailbox(gateway)
    first = await gateway.call(ROUTE["DeleteMailbox"], deletion(gone))
    again = await gateway.call(ROUTE["DeleteMailbox"], deletion(gone))
    never = await gateway.call(ROUTE["DeleteMailbox"], deletion(unknown))
    assert first.identity() == again.identity() == never.identity()
    first.granted()
    deletions = [deletion(each) for each in (mailbox, unknown, gone)]
    for request in deletions:
        request.signature = os.urandom(64)
    unsigned = [await gateway.call(ROUTE["DeleteMailbox"], request) for request in deletions]
    creations = [creation(mailbox), creation(Mailbox.new())]
    for request in creations:
        request.signature = os.urandom(64)
    creations.append(creation(Mailbox(mailbox.key, mailbox.public, os.urandom(32), b"")))  # with another secret
    refused = [await gateway.call(ROUTE["CreateMailbox"], request) for request in creations]
    one_refusal([*unsigned, *refused])
    assert await subscription_state(gateway.url, mailbox) == "STATE_ACTIVE"
    repeated = await gateway.call(ROUTE["CreateMailbox"], creation(mailbox))
    assert repeated.identity() == (await gateway.call(ROUTE["CreateMailbox"], creation(Mailbox.new()))).identity()
    repeated.granted()


async def test_wake_targets_of_nobody_and_of_others(gateway):
    key, stranger, sealed = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate(), await seal_target(gateway)
    put = ROUTE["PutWakeTarget"]
    (await gateway.call(put, wake_target(key, sealed, 5))).granted()
    forged, unknown = wake_target(key, sealed, 6), wake_target(stranger, sealed, 1)
    forged.signature = unknown.signature = os.urandom(64)
    older, equal = wake_target(key, sealed, 4), wake_target(key, sealed, 5)
    refused = [await gateway.call(put, request) for request in (forged, unknown, older, equal)]
    for owner in (key, stranger):
        public = owner.public_key().public_bytes_raw()
        request = notify_pb2.DeleteWakeTargetRequest(owner_public_key=public, signature=os.urandom(64))
        refused.append(await gateway.call(ROUTE["DeleteWakeTarget"], request))
    one_refusal(refused)
    (await gateway.call(put, wake_target(key, sealed, 6))).granted()
