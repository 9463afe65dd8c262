"""The gRPC methods of keys: from messages to the domain, to the store, and back."""

from typing import Any

from handshaker_common import metrics
from handshaker_common.errors import InvalidArgument
from handshaker_common.identity import caller
from handshaker_common.reasons import Reason
from handshaker_proto.keys.v1 import keys_pb2, keys_pb2_grpc

from handshaker_keys import domain
from handshaker_keys.domain import BundleBase, BundleId, LookupHash, OpenPgpCertificate, Pepper, SealedAddress, Suite
from handshaker_keys.store import KeysStore

Context = Any

NOT_FOUND = keys_pb2.LookupUsernameResponse(
    refused=keys_pb2.LookupUsernameResponse.Refused(padding=bytes(domain.SEALED_ADDRESS_SIZE))
)


def _require(problem: str | None) -> None:
    if problem is not None:
        raise InvalidArgument(Reason.MALFORMED, problem)


def _base(message: keys_pb2.BundleBase) -> BundleBase:
    return BundleBase(
        Suite(message.suite),
        message.identity_key,
        message.seal_key,
        message.seal_key_signature,
        _signed(message.signed_prekey),
        _signed(message.last_resort_kem_prekey),
        message.device_certificate,
    )


def _signed(message: keys_pb2.SignedPreKey | keys_pb2.KemPreKey) -> domain.SignedPreKey:
    return domain.SignedPreKey(message.key_id, message.public_key, message.signature)


def _one_time_message(key: domain.OneTimePreKey) -> keys_pb2.OneTimePreKey:
    return keys_pb2.OneTimePreKey(key_id=key.key_id, public_key=key.public_key)


def _kem_message(key: domain.SignedPreKey) -> keys_pb2.KemPreKey:
    return keys_pb2.KemPreKey(key_id=key.key_id, public_key=key.public_key, signature=key.signature)


def _bundle_message(bundle: domain.FetchedBundle) -> keys_pb2.FetchedBundle:
    base, signed, one_time, kem = bundle.base, bundle.base.signed_prekey, bundle.one_time_prekey, bundle.kem_prekey
    base_message = keys_pb2.BundleBase(
        suite=keys_pb2.Suite.ValueType(base.suite),
        identity_key=base.identity_key,
        seal_key=base.seal_key,
        seal_key_signature=base.seal_key_signature,
        signed_prekey=keys_pb2.SignedPreKey(
            key_id=signed.key_id, public_key=signed.public_key, signature=signed.signature
        ),
        last_resort_kem_prekey=_kem_message(base.last_resort_kem_prekey),
        device_certificate=base.device_certificate,
    )
    return keys_pb2.FetchedBundle(
        base=base_message,
        one_time_prekey=None if one_time is None else _one_time_message(one_time),
        kem_prekey=None if kem is None else _kem_message(kem),
    )


def _counts_message(counts: domain.PreKeyCounts) -> keys_pb2.PreKeyCounts:
    return keys_pb2.PreKeyCounts(one_time_prekeys=counts.one_time_prekeys, kem_prekeys=counts.kem_prekeys)


class KeysServicer(keys_pb2_grpc.KeysServiceServicer):
    """The owner's side."""

    def __init__(self, store: KeysStore, pepper: Pepper) -> None:
        self._store = store
        self._pepper = pepper

    async def PublishBundle(
        self, request: keys_pb2.PublishBundleRequest, context: Context
    ) -> keys_pb2.PublishBundleResponse:
        """Adds a bundle or replaces what it always holds."""
        if not request.HasField("base"):
            raise InvalidArgument(Reason.MALFORMED, "The field base is missing.")
        base = _base(request.base)
        _require(domain.problem_of_base(base))
        if await self._store.publish(caller().account_id, BundleId(request.bundle_id), base):
            return keys_pb2.PublishBundleResponse(published=keys_pb2.PublishBundleResponse.Published())
        return keys_pb2.PublishBundleResponse(refused=keys_pb2.PublishBundleResponse.Refused())

    async def UploadPreKeys(
        self, request: keys_pb2.UploadPreKeysRequest, context: Context
    ) -> keys_pb2.UploadPreKeysResponse:
        """Adds one-time keys; all of them, or none."""
        account_id, bundle_id = caller().account_id, BundleId(request.bundle_id)
        one_time = [domain.OneTimePreKey(key.key_id, key.public_key) for key in request.one_time_prekeys]
        kem = [_signed(key) for key in request.kem_prekeys]
        suite = await self._store.suite_of(account_id, bundle_id)
        if suite is not None:
            _require(domain.problem_of_prekeys(suite, one_time, kem))
            counts = await self._store.add_prekeys(account_id, bundle_id, one_time, kem)
            if counts is not None:
                return keys_pb2.UploadPreKeysResponse(counts=_counts_message(counts))
        return keys_pb2.UploadPreKeysResponse(refused=keys_pb2.UploadPreKeysResponse.Refused())

    async def GetPreKeyCounts(
        self, request: keys_pb2.GetPreKeyCountsRequest, context: Context
    ) -> keys_pb2.GetPreKeyCountsResponse:
        """How many one-time keys are left."""
        counts = await self._store.counts(caller().account_id, BundleId(request.bundle_id))
        if counts is None:
            return keys_pb2.GetPreKeyCountsResponse(refused=keys_pb2.GetPreKeyCountsResponse.Refused())
        return keys_pb2.GetPreKeyCountsResponse(counts=_counts_message(counts))

    async def PublishOpenPgp(
        self, request: keys_pb2.PublishOpenPgpRequest, context: Context
    ) -> keys_pb2.PublishOpenPgpResponse:
        """Puts a certificate beside a bundle, or replaces it."""
        certificate = OpenPgpCertificate(request.certificate)
        _require(domain.problem_of_certificate(certificate))
        if await self._store.publish_openpgp(caller().account_id, BundleId(request.bundle_id), certificate):
            return keys_pb2.PublishOpenPgpResponse(published=keys_pb2.PublishOpenPgpResponse.Published())
        return keys_pb2.PublishOpenPgpResponse(refused=keys_pb2.PublishOpenPgpResponse.Refused())

    async def UnpublishOpenPgp(
        self, request: keys_pb2.UnpublishOpenPgpRequest, context: Context
    ) -> keys_pb2.UnpublishOpenPgpResponse:
        """Takes the certificate back, if there is one."""
        await self._store.unpublish_openpgp(caller().account_id, BundleId(request.bundle_id))
        return keys_pb2.UnpublishOpenPgpResponse()

    async def SetUsername(self, request: keys_pb2.SetUsernameRequest, context: Context) -> keys_pb2.SetUsernameResponse:
        """Takes a name, changes it, or replaces the address behind it."""
        key = domain.lookup_key(self._pepper, LookupHash(request.lookup_hash))
        if await self._store.set_username(caller().account_id, key, SealedAddress(request.sealed_address)):
            return keys_pb2.SetUsernameResponse(set=keys_pb2.SetUsernameResponse.Set())
        return keys_pb2.SetUsernameResponse(taken=keys_pb2.SetUsernameResponse.Taken())

    async def ReleaseUsername(
        self, request: keys_pb2.ReleaseUsernameRequest, context: Context
    ) -> keys_pb2.ReleaseUsernameResponse:
        """Gives the caller's name back, if there is one."""
        await self._store.release_username(caller().account_id)
        return keys_pb2.ReleaseUsernameResponse()


class KeysAnonymousServicer(keys_pb2_grpc.KeysAnonymousServiceServicer):
    """The stranger's side."""

    def __init__(self, store: KeysStore, pepper: Pepper) -> None:
        self._store = store
        self._pepper = pepper

    async def FetchBundle(self, request: keys_pb2.FetchBundleRequest, context: Context) -> keys_pb2.FetchBundleResponse:
        """Hands a bundle out, with one one-time key of each kind while there are any."""
        bundle = await self._store.take(BundleId(request.bundle_id))
        if bundle is None:
            return keys_pb2.FetchBundleResponse(refused=keys_pb2.FetchBundleResponse.Refused())
        if bundle.one_time_prekey is None:
            metrics.PREKEYS_EXHAUSTED.labels("ec").inc()
        if bundle.kem_prekey is None:
            metrics.PREKEYS_EXHAUSTED.labels("kem").inc()
        return keys_pb2.FetchBundleResponse(bundle=_bundle_message(bundle))

    async def FetchOpenPgp(
        self, request: keys_pb2.FetchOpenPgpRequest, context: Context
    ) -> keys_pb2.FetchOpenPgpResponse:
        """The certificate beside a bundle. Both answers take one statement."""
        certificate = await self._store.openpgp(BundleId(request.bundle_id))
        if certificate is None:
            return keys_pb2.FetchOpenPgpResponse(refused=keys_pb2.FetchOpenPgpResponse.Refused())
        return keys_pb2.FetchOpenPgpResponse(found=keys_pb2.FetchOpenPgpResponse.Found(certificate=certificate))

    async def LookupUsername(
        self, request: keys_pb2.LookupUsernameRequest, context: Context
    ) -> keys_pb2.LookupUsernameResponse:
        """The sealed address behind a name. Both answers take one statement and have one size."""
        address = await self._store.look_up(domain.lookup_key(self._pepper, LookupHash(request.lookup_hash)))
        if address is None:
            return NOT_FOUND
        return keys_pb2.LookupUsernameResponse(found=keys_pb2.LookupUsernameResponse.Found(sealed_address=address))
