"""Creating and deleting mailboxes, for whoever holds their key."""

from typing import Any

from handshaker_common.clock import Clock
from handshaker_proto.blobstore.v1 import mailboxes_pb2 as pb
from handshaker_proto.blobstore.v1 import mailboxes_pb2_grpc

from handshaker_blobstore.domain.frames import today
from handshaker_blobstore.domain.mailboxes import mailbox_to_create, mailbox_to_delete
from handshaker_blobstore.store.mailboxes import MailboxStore

Context = Any


class MailboxesServicer(mailboxes_pb2_grpc.MailboxesServiceServicer):
    """The anonymous methods. A bad signature and a different mailbox under the same id are one answer."""

    def __init__(self, store: MailboxStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def CreateMailbox(self, request: pb.CreateMailboxRequest, context: Context) -> pb.CreateMailboxResponse:
        """Creates the mailbox, or finds it created."""
        mailbox = mailbox_to_create(
            request.recv_public_key, request.send_secret_hash, request.wake_id, request.signature
        )
        if mailbox is None or not await self._store.create(mailbox, today(self._clock.now())):
            return pb.CreateMailboxResponse(refused=pb.CreateMailboxResponse.Refused())
        return pb.CreateMailboxResponse(created=pb.CreateMailboxResponse.Created())

    async def DeleteMailbox(self, request: pb.DeleteMailboxRequest, context: Context) -> pb.DeleteMailboxResponse:
        """Deletes the mailbox and what is in it, or finds nothing to delete."""
        recv_id = mailbox_to_delete(request.recv_public_key, request.signature)
        if recv_id is None:
            return pb.DeleteMailboxResponse(refused=pb.DeleteMailboxResponse.Refused())
        await self._store.delete(recv_id)
        return pb.DeleteMailboxResponse(deleted=pb.DeleteMailboxResponse.Deleted())
