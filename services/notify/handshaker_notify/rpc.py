"""Notify's gRPC methods: from messages to the domain, to the store, and back."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from handshaker_common.clock import Clock
from handshaker_common.errors import InvalidArgument
from handshaker_common.ids import ID_BYTES, WakeId
from handshaker_common.reasons import Reason
from handshaker_proto.notify.v1 import notify_pb2 as pb
from handshaker_proto.notify.v1 import notify_pb2_grpc

from handshaker_notify.domain.sealing import SealingKey
from handshaker_notify.domain.targets import target_to_delete, target_to_put
from handshaker_notify.domain.topics import day_of
from handshaker_notify.store import WakeTargetStore
from handshaker_notify.waker import Waker

Context = Any


class WakeTargetsServicer(notify_pb2_grpc.WakeTargetsServiceServicer):
    """The anonymous methods. A bad signature, an old revision and a target of a wrong size are one answer."""

    def __init__(self, store: WakeTargetStore, key: SealingKey, transports: Sequence[str], clock: Clock) -> None:
        self._store = store
        self._sealing = pb.GetSealingKeyResponse(public_key=key.public_key, transports=transports)
        self._clock = clock

    async def GetSealingKey(self, request: pb.GetSealingKeyRequest, context: Context) -> pb.GetSealingKeyResponse:
        """The key to seal targets to, and the transports that this server can use."""
        return self._sealing

    async def PutWakeTarget(self, request: pb.PutWakeTargetRequest, context: Context) -> pb.PutWakeTargetResponse:
        """Sets or replaces a target."""
        target = target_to_put(request.owner_public_key, request.sealed_target, request.revision, request.signature)
        if target is None or not await self._store.put(target, day_of(self._clock.now())):
            return pb.PutWakeTargetResponse(refused=pb.PutWakeTargetResponse.Refused())
        return pb.PutWakeTargetResponse(accepted=pb.PutWakeTargetResponse.Accepted())

    async def DeleteWakeTarget(
        self, request: pb.DeleteWakeTargetRequest, context: Context
    ) -> pb.DeleteWakeTargetResponse:
        """Deletes a target, or finds nothing to delete."""
        wake_id = target_to_delete(request.owner_public_key, request.signature)
        if wake_id is None:
            return pb.DeleteWakeTargetResponse(refused=pb.DeleteWakeTargetResponse.Refused())
        await self._store.delete(wake_id)
        return pb.DeleteWakeTargetResponse(deleted=pb.DeleteWakeTargetResponse.Deleted())


class WakeServicer(notify_pb2_grpc.WakeServiceServicer):
    """The internal method. `drain` ends its streams."""

    def __init__(self, waker: Waker) -> None:
        self._waker = waker
        self._readers: set[asyncio.Task[None]] = set()
        self._draining = False

    async def Wake(self, request_iterator: AsyncIterator[pb.WakeRequest], context: Context) -> pb.WakeResponse:
        """Takes wake ids until the caller, or a drain, ends the stream."""
        if not self._draining:
            reader = asyncio.ensure_future(self._read(request_iterator))
            self._readers.add(reader)
            try:
                await asyncio.wait([reader])
                if not reader.cancelled():
                    reader.result()
            finally:
                self._readers.discard(reader)
                reader.cancel()
        return pb.WakeResponse()

    async def _read(self, requests: AsyncIterator[pb.WakeRequest]) -> None:
        async for request in requests:
            for wake_id in request.wake_ids:
                if len(wake_id) != ID_BYTES:
                    raise InvalidArgument(Reason.MALFORMED, f"A wake id has exactly {ID_BYTES} bytes.")
                self._waker.ask(WakeId(wake_id))

    async def drain(self) -> None:
        """Ends every stream; new ones end at once."""
        self._draining = True
        readers = list(self._readers)
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
