"""Mailboxes: who may create and delete one."""

from dataclasses import dataclass

from handshaker_common.ids import RecvId, SendId, WakeId, recv_id, send_id, verify_ed25519

CREATE_LABEL = b"handshaker/v1/mailbox-create"
DELETE_LABEL = b"handshaker/v1/mailbox-delete"


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A one-way queue. Nothing in it tells whose it is, or which other mailboxes its owner has."""

    recv_id: RecvId
    send_id: SendId
    recv_public_key: bytes
    send_secret_hash: bytes
    wake_id: WakeId | None


@dataclass(frozen=True, slots=True)
class Resolved:
    """What stands behind a send id: enough to check a sender's secret and to reach the owner."""

    recv_id: RecvId
    send_secret_hash: bytes
    wake_id: WakeId | None


def mailbox_to_create(
    recv_public_key: bytes, send_secret_hash: bytes, wake_id: bytes, signature: bytes
) -> Mailbox | None:
    """The mailbox that a signed request describes; None when the owner's key did not sign it.

    Both ids follow from the request, so that a repeated one creates nothing new. `wake_id` is empty for nobody.
    """
    message = CREATE_LABEL + recv_public_key + send_secret_hash + wake_id
    if not verify_ed25519(recv_public_key, signature, message):
        return None
    return Mailbox(
        recv_id=recv_id(recv_public_key),
        send_id=send_id(recv_public_key, send_secret_hash),
        recv_public_key=recv_public_key,
        send_secret_hash=send_secret_hash,
        wake_id=WakeId(wake_id) if wake_id else None,
    )


def mailbox_to_delete(recv_public_key: bytes, signature: bytes) -> RecvId | None:
    """The id of the mailbox that a signed request deletes; None when the owner's key did not sign it."""
    if not verify_ed25519(recv_public_key, signature, DELETE_LABEL + recv_public_key):
        return None
    return recv_id(recv_public_key)
