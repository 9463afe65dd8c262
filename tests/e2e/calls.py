"""For every route a request that is right, fresh each time, and a look at what it would change."""

import asyncio
import hashlib
import os
from collections.abc import Awaitable, Callable
from functools import partial

from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from handshaker_proto.auth.v1 import auth_pb2
from handshaker_proto.blobstore.v1 import mailboxes_pb2
from handshaker_proto.keys.v1 import keys_pb2
from handshaker_proto.notify.v1 import notify_pb2
from handshaker_proto.options.v1 import options_pb2
from handshaker_proto.signaling.v1 import socket_pb2
from load.mailboxes import Mailbox

from e2e import device_calls, token_calls, wipe_calls
from e2e.case import Case
from e2e.hostile import PATIENCE, RawSocket
from e2e.rest import ROUTE, Account, Gateway, decode, login, registration

State = socket_pb2.SubscriptionEvent.State
MLKEM768_BYTES = 1184
RETRY_SECONDS = 0.05


def signed_prekey(key_id: int = 1) -> keys_pb2.SignedPreKey:
    """A prekey of the right sizes; the server judges nothing else."""
    return keys_pb2.SignedPreKey(key_id=key_id, public_key=os.urandom(32), signature=os.urandom(64))


def kem_prekey(key_id: int = 1) -> keys_pb2.KemPreKey:
    """A KEM prekey of the right sizes."""
    return keys_pb2.KemPreKey(key_id=key_id, public_key=os.urandom(1568), signature=os.urandom(64))


def one_time_prekey(key_id: int) -> keys_pb2.OneTimePreKey:
    """A one-time prekey of the right size."""
    return keys_pb2.OneTimePreKey(key_id=key_id, public_key=os.urandom(32))


def bundle(bundle_id: bytes | None = None) -> keys_pb2.PublishBundleRequest:
    """A bundle to publish."""
    base = keys_pb2.BundleBase(
        suite=keys_pb2.SUITE_HANDSHAKER_V1,
        identity_key=os.urandom(32),
        seal_key=os.urandom(1216),
        seal_key_signature=os.urandom(64),
        signed_prekey=signed_prekey(),
        last_resort_kem_prekey=kem_prekey(),
        device_certificate=os.urandom(169),
    )
    return keys_pb2.PublishBundleRequest(bundle_id=bundle_id or os.urandom(16), base=base)


def prekeys(bundle_id: bytes, ec: int = 3, kem: int = 2) -> keys_pb2.UploadPreKeysRequest:
    """One-time keys for a bundle."""
    return keys_pb2.UploadPreKeysRequest(
        bundle_id=bundle_id,
        one_time_prekeys=[one_time_prekey(number) for number in range(ec)],
        kem_prekeys=[kem_prekey(number) for number in range(kem)],
    )


def username(lookup_hash: bytes | None = None) -> keys_pb2.SetUsernameRequest:
    """A name that nobody has."""
    return keys_pb2.SetUsernameRequest(lookup_hash=lookup_hash or os.urandom(32), sealed_address=os.urandom(512))


def creation(mailbox: Mailbox, wake_id: bytes = b"") -> mailboxes_pb2.CreateMailboxRequest:
    """The request that creates a mailbox."""
    secret_hash = hashlib.sha256(mailbox.secret).digest()
    signed = b"handshaker/v1/mailbox-create" + mailbox.public + secret_hash + wake_id
    return mailboxes_pb2.CreateMailboxRequest(
        recv_public_key=mailbox.public,
        send_secret_hash=secret_hash,
        wake_id=wake_id,
        signature=mailbox.key.sign(signed),
    )


def deletion(mailbox: Mailbox) -> mailboxes_pb2.DeleteMailboxRequest:
    """The request that deletes it."""
    signature = mailbox.key.sign(b"handshaker/v1/mailbox-delete" + mailbox.public)
    return mailboxes_pb2.DeleteMailboxRequest(recv_public_key=mailbox.public, signature=signature)


async def new_mailbox(gateway: Gateway) -> Mailbox:
    """A mailbox that is there."""
    mailbox = Mailbox.new()
    (await gateway.call(ROUTE["CreateMailbox"], creation(mailbox))).granted()
    return mailbox


async def subscription_state(url: str, mailbox: Mailbox) -> str:
    """What a subscription to the mailbox is answered: whether it is there. A server that cannot tell is asked again."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while True:
        async with await RawSocket.connect(url) as socket:
            await socket.say(subscribe=[mailbox.subscribe(socket.challenge)])
            state = (await socket.message()).subscription[0].state
        if state != State.STATE_UNAVAILABLE or asyncio.get_running_loop().time() > deadline:
            return State.Name(state)
        await asyncio.sleep(RETRY_SECONDS)


async def look_up(gateway: Gateway, lookup_hash: bytes) -> object:
    """What stands behind a name."""
    answer = await gateway.call(ROUTE["LookupUsername"], keys_pb2.LookupUsernameRequest(lookup_hash=lookup_hash))
    return answer.status, answer.body


async def counts(account: Account, bundle_id: bytes) -> object:
    """How many one-time keys a bundle has."""
    return (await account.call("GetPreKeyCounts", keys_pb2.GetPreKeyCountsRequest(bundle_id=bundle_id))).body


# --- auth ---


async def get_challenge(_gateway: Gateway) -> Case:
    return Case(ROUTE["GetChallenge"], auth_pb2.GetChallengeRequest(purpose=options_pb2.MAILBOX))


async def register(gateway: Gateway) -> Case:
    key = Ed25519PrivateKey.generate()

    async def look() -> object:
        request = auth_pb2.GetSessionChallengeRequest(device_public_key=key.public_key().public_bytes_raw())
        challenge = (await gateway.call(ROUTE["GetSessionChallenge"], request)).granted()["challenge"]
        return (await gateway.call(ROUTE["CreateSession"], login(key, decode(challenge)))).status

    return Case(ROUTE["Register"], registration(key), look=look)


async def get_session_challenge(gateway: Gateway) -> Case:
    account = await Account.register(gateway)
    return Case(ROUTE["GetSessionChallenge"], auth_pb2.GetSessionChallengeRequest(device_public_key=account.public))


async def create_session(gateway: Gateway) -> Case:
    return Case(ROUTE["CreateSession"], await (await Account.register(gateway)).login())


async def refresh_session(gateway: Gateway) -> Case:
    return Case(ROUTE["RefreshSession"], await (await Account.register(gateway)).refreshing())


async def end_session(gateway: Gateway) -> Case:
    account = await Account.register(gateway)

    async def look() -> object:
        return (await account.refresh()).status

    return Case(ROUTE["EndSession"], auth_pb2.EndSessionRequest(), account, look)


async def get_account(gateway: Gateway) -> Case:
    return Case(ROUTE["GetAccount"], auth_pb2.GetAccountRequest(), await Account.register(gateway))


# --- keys ---


async def with_bundle(gateway: Gateway) -> tuple[Account, bytes]:
    """An account with a bundle, which has no one-time keys."""
    account, published = await Account.register(gateway), bundle()
    (await account.call("PublishBundle", published)).granted()
    return account, published.bundle_id


async def publish_bundle(gateway: Gateway) -> Case:
    account, bundle_id = await with_bundle(gateway)

    async def look() -> object:
        return (await gateway.call(ROUTE["FetchBundle"], keys_pb2.FetchBundleRequest(bundle_id=bundle_id))).body

    return Case(ROUTE["PublishBundle"], bundle(bundle_id), account, look)


async def upload_prekeys(gateway: Gateway) -> Case:
    account, bundle_id = await with_bundle(gateway)
    return Case(ROUTE["UploadPreKeys"], prekeys(bundle_id), account, lambda: counts(account, bundle_id))


async def get_prekey_counts(gateway: Gateway) -> Case:
    account, bundle_id = await with_bundle(gateway)
    return Case(ROUTE["GetPreKeyCounts"], keys_pb2.GetPreKeyCountsRequest(bundle_id=bundle_id), account)


async def set_username(gateway: Gateway) -> Case:
    account, request = await Account.register(gateway), username()
    (await account.call("SetUsername", request)).granted()
    changed = username(request.lookup_hash)
    return Case(ROUTE["SetUsername"], changed, account, lambda: look_up(gateway, request.lookup_hash))


async def release_username(gateway: Gateway) -> Case:
    case = await set_username(gateway)
    return Case(ROUTE["ReleaseUsername"], keys_pb2.ReleaseUsernameRequest(), case.account, case.look)


async def fetch_bundle(gateway: Gateway) -> Case:
    account, bundle_id = await with_bundle(gateway)
    (await account.call("UploadPreKeys", prekeys(bundle_id))).granted()
    request = keys_pb2.FetchBundleRequest(bundle_id=bundle_id)
    return Case(ROUTE["FetchBundle"], request, look=lambda: counts(account, bundle_id))


def certificate(bundle_id: bytes) -> keys_pb2.PublishOpenPgpRequest:
    """The request that publishes something as an OpenPGP certificate; the server does not look into it."""
    return keys_pb2.PublishOpenPgpRequest(bundle_id=bundle_id, certificate=os.urandom(700))


async def published_certificate(gateway: Gateway, bundle_id: bytes) -> object:
    """What strangers find beside the bundle."""
    answer = await gateway.call(ROUTE["FetchOpenPgp"], keys_pb2.FetchOpenPgpRequest(bundle_id=bundle_id))
    return answer.identity()


async def publish_openpgp(gateway: Gateway) -> Case:
    account, bundle_id = await with_bundle(gateway)
    look = partial(published_certificate, gateway, bundle_id)
    return Case(ROUTE["PublishOpenPgp"], certificate(bundle_id), account, look)


async def unpublish_openpgp(gateway: Gateway) -> Case:
    account, bundle_id = await with_bundle(gateway)
    (await account.call("PublishOpenPgp", certificate(bundle_id))).granted()
    look = partial(published_certificate, gateway, bundle_id)
    return Case(ROUTE["UnpublishOpenPgp"], keys_pb2.UnpublishOpenPgpRequest(bundle_id=bundle_id), account, look)


async def fetch_openpgp(gateway: Gateway) -> Case:
    account, bundle_id = await with_bundle(gateway)
    (await account.call("PublishOpenPgp", certificate(bundle_id))).granted()
    return Case(ROUTE["FetchOpenPgp"], keys_pb2.FetchOpenPgpRequest(bundle_id=bundle_id))


async def lookup_username(gateway: Gateway) -> Case:
    account, request = await Account.register(gateway), username()
    (await account.call("SetUsername", request)).granted()
    return Case(ROUTE["LookupUsername"], keys_pb2.LookupUsernameRequest(lookup_hash=request.lookup_hash))


# --- blobstore and notify ---


async def create_mailbox(gateway: Gateway) -> Case:
    mailbox = Mailbox.new()
    return Case(
        ROUTE["CreateMailbox"],
        creation(mailbox, os.urandom(16)),
        look=lambda: subscription_state(gateway.url, mailbox),
    )


async def delete_mailbox(gateway: Gateway) -> Case:
    mailbox = await new_mailbox(gateway)
    return Case(ROUTE["DeleteMailbox"], deletion(mailbox), look=lambda: subscription_state(gateway.url, mailbox))


async def get_sealing_key(_gateway: Gateway) -> Case:
    return Case(ROUTE["GetSealingKey"], notify_pb2.GetSealingKeyRequest())


async def seal_target(gateway: Gateway) -> bytes:
    """A target as clients seal it: 512 bytes that say where to knock."""
    key = decode(
        (await gateway.call(ROUTE["GetSealingKey"], notify_pb2.GetSealingKeyRequest())).granted()["public_key"]
    )
    kem, curve = key[:MLKEM768_BYTES], key[MLKEM768_BYTES:]
    public = hpke.MLKEM768X25519PublicKey(
        MLKEM768PublicKey.from_public_bytes(kem), X25519PublicKey.from_public_bytes(curve)
    )
    target = notify_pb2.WakeTarget(mqtt=notify_pb2.WakeTarget.Mqtt(topic_key=os.urandom(32)))
    suite = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
    return suite.encrypt(target.SerializeToString().ljust(512, b"\0"), public, b"handshaker/v1/wake-target")


def wake_target(key: Ed25519PrivateKey, sealed: bytes, revision: int) -> notify_pb2.PutWakeTargetRequest:
    """The request that sets a target."""
    public = key.public_key().public_bytes_raw()
    signed = b"handshaker/v1/wake-put" + public + revision.to_bytes(8, "big") + hashlib.sha256(sealed).digest()
    return notify_pb2.PutWakeTargetRequest(
        owner_public_key=public, sealed_target=sealed, revision=revision, signature=key.sign(signed)
    )


async def put_wake_target(gateway: Gateway) -> Case:
    request = wake_target(Ed25519PrivateKey.generate(), await seal_target(gateway), 1)
    return Case(ROUTE["PutWakeTarget"], request)  # a revision that was taken would be refused the second time


async def delete_wake_target(gateway: Gateway) -> Case:
    key = Ed25519PrivateKey.generate()
    request = wake_target(key, await seal_target(gateway), 1)
    (await gateway.call(ROUTE["PutWakeTarget"], request)).granted()
    public = key.public_key().public_bytes_raw()
    signature = key.sign(b"handshaker/v1/wake-delete" + public)
    deleting = notify_pb2.DeleteWakeTargetRequest(owner_public_key=public, signature=signature)
    return Case(ROUTE["DeleteWakeTarget"], deleting)


CASES: dict[str, Callable[[Gateway], Awaitable[Case]]] = {
    "GetChallenge": get_challenge,
    "Register": register,
    "GetSessionChallenge": get_session_challenge,
    "CreateSession": create_session,
    "RefreshSession": refresh_session,
    "EndSession": end_session,
    "GetAccount": get_account,
    "AddDevice": device_calls.add_device,
    "ListDevices": device_calls.list_devices,
    "RemoveDevice": device_calls.remove_device,
    "SetRecoveryKey": device_calls.set_recovery_key,
    "Recover": device_calls.recover,
    "CreateWipeTicket": wipe_calls.create_wipe_ticket,
    "RedeemWipeTicket": wipe_calls.redeem_wipe_ticket,
    "GetIssuerKeys": token_calls.get_issuer_keys,
    "IssueTokens": token_calls.issue_tokens,
    "PublishBundle": publish_bundle,
    "UploadPreKeys": upload_prekeys,
    "GetPreKeyCounts": get_prekey_counts,
    "PublishOpenPgp": publish_openpgp,
    "UnpublishOpenPgp": unpublish_openpgp,
    "SetUsername": set_username,
    "ReleaseUsername": release_username,
    "FetchBundle": fetch_bundle,
    "FetchOpenPgp": fetch_openpgp,
    "LookupUsername": lookup_username,
    "CreateMailbox": create_mailbox,
    "DeleteMailbox": delete_mailbox,
    "GetSealingKey": get_sealing_key,
    "PutWakeTarget": put_wake_target,
    "DeleteWakeTarget": delete_wake_target,
}
