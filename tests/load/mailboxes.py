"""The little of the public API that a load generator needs: mailboxes, paid for by proof of work."""

import base64
import hashlib
import secrets
from dataclasses import dataclass

import aiohttp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from handshaker_proto.auth.v1 import auth_pb2
from handshaker_proto.blobstore.v1 import mailboxes_pb2
from handshaker_proto.options.v1 import options_pb2
from handshaker_proto.signaling.v1 import socket_pb2

PROTOBUF = {"Content-Type": "application/x-protobuf", "Accept": "application/x-protobuf"}
FRAME_BYTES = 2048


class LoadError(Exception):
    """The load could not be made as asked; the message says why."""


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def solve(challenge: bytes, bits: int) -> bytes:
    """The first 8-byte nonce with which SHA-256(challenge || nonce) begins with `bits` zero bits."""
    limit = 1 << (256 - bits)
    nonce = 0
    while int.from_bytes(hashlib.sha256(challenge + nonce.to_bytes(8, "big")).digest(), "big") >= limit:
        nonce += 1
    return nonce.to_bytes(8, "big")


@dataclass(frozen=True)
class Mailbox:
    """Both ends' keys of a mailbox."""

    key: Ed25519PrivateKey
    public: bytes
    secret: bytes
    send_id: bytes

    @staticmethod
    def new() -> "Mailbox":
        """A mailbox that no server knows yet."""
        key, secret = Ed25519PrivateKey.generate(), secrets.token_bytes(32)
        public = key.public_key().public_bytes_raw()
        digest = hashlib.sha256(b"handshaker/v1/send-id" + public + hashlib.sha256(secret).digest()).digest()
        return Mailbox(key, public, secret, digest[:16])

    def subscribe(self, challenge: bytes) -> socket_pb2.Subscribe:
        """Proves to a connection that it may receive here."""
        signature = self.key.sign(b"handshaker/v1/subscribe" + challenge + self.public)
        return socket_pb2.Subscribe(recv_public_key=self.public, signature=signature)

    def send(self, frame: bytes) -> socket_pb2.Send:
        """A frame for this mailbox under a new frame id."""
        return socket_pb2.Send(
            send_id=self.send_id, send_secret=self.secret, frame_id=secrets.token_bytes(16), frame=frame
        )


class Api:
    """A connection to a gateway."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def _post(self, path: str, body: bytes, headers: dict[str, str]) -> bytes:
        async with self._session.post(self._url + path, data=body, headers=PROTOBUF | headers) as response:
            answer = await response.read()
            if response.status != 200:
                raise LoadError(f"{path} answered {response.status}: {answer[:200].decode(errors='replace')}")
            return answer

    async def admission(self, purpose: "options_pb2.Admission.ValueType") -> dict[str, str]:
        """The header that pays for one anonymous call."""
        request = auth_pb2.GetChallengeRequest(purpose=purpose)
        answer = await self._post("/a/v1/challenges", request.SerializeToString(), {})
        challenge = auth_pb2.GetChallengeResponse.FromString(answer)
        nonce = solve(challenge.challenge, challenge.difficulty_bits)
        return {"Admission": f"pow {_text(challenge.challenge)}.{_text(nonce)}"}

    async def create_mailbox(self) -> Mailbox:
        """A new mailbox."""
        mailbox = Mailbox.new()
        secret_hash = hashlib.sha256(mailbox.secret).digest()
        request = mailboxes_pb2.CreateMailboxRequest(
            recv_public_key=mailbox.public,
            send_secret_hash=secret_hash,
            signature=mailbox.key.sign(b"handshaker/v1/mailbox-create" + mailbox.public + secret_hash),
        )
        headers = await self.admission(options_pb2.MAILBOX)
        await self._post("/a/v1/mailboxes", request.SerializeToString(), headers)
        return mailbox
