"""The methods of the contract as typed calls. Prices are paid here, so that callers see calls alone."""

import base64
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias, TypeVar

from google.protobuf.message import Message
from handshaker_proto.auth.v1 import auth_pb2, tokens_pb2, wipe_pb2
from handshaker_proto.blobstore.v1 import mailboxes_pb2
from handshaker_proto.keys.v1 import keys_pb2
from handshaker_proto.options.v1 import options_pb2

from handshaker_core.credentials import AccessToken, DeviceKey, Mailbox, Tokens, WipeTicket
from handshaker_core.net.errors import RefusedByServer, ServerTrouble
from handshaker_core.net.http import Plane, Route, Transport
from handshaker_core.net.pow import Progress, solve
from handshaker_core.protocol.address import BundleId
from handshaker_core.protocol.blind_tokens import IssuerKeyId, Token

M = TypeVar("M", bound=Message)

UNAUTHENTICATED = "unauthenticated"
REFUSED = "refused"
ADMISSION_REFUSED = "admission_refused"

_CHALLENGE = Route(Plane.ANONYMOUS, "POST", "/a/v1/challenges", idempotent=True)
_REGISTER = Route(Plane.ANONYMOUS, "POST", "/a/v1/accounts", idempotent=False)
_SESSION_CHALLENGE = Route(Plane.ANONYMOUS, "POST", "/a/v1/sessions/challenge", idempotent=True)
_CREATE_SESSION = Route(Plane.ANONYMOUS, "POST", "/a/v1/sessions", idempotent=False)
_REFRESH_SESSION = Route(Plane.ANONYMOUS, "POST", "/a/v1/sessions/refresh", idempotent=False)
_END_SESSION = Route(Plane.ACCOUNT, "DELETE", "/v1/session", idempotent=True)
_ACCOUNT = Route(Plane.ACCOUNT, "GET", "/v1/account", idempotent=True)
_ISSUER_KEYS = Route(Plane.ANONYMOUS, "GET", "/a/v1/issuer-keys", idempotent=True)
_ISSUE_TOKENS = Route(Plane.ACCOUNT, "POST", "/v1/tokens", idempotent=False)
_CREATE_WIPE_TICKET = Route(Plane.ACCOUNT, "PUT", "/v1/wipe-ticket", idempotent=True)
_REDEEM_WIPE_TICKET = Route(Plane.ANONYMOUS, "POST", "/a/v1/wipe", idempotent=True)
_PUBLISH_BUNDLE = Route(Plane.ACCOUNT, "PUT", "/v1/bundles/{bundle_id}", idempotent=True)
_UPLOAD_PREKEYS = Route(Plane.ACCOUNT, "POST", "/v1/bundles/{bundle_id}/prekeys", idempotent=True)
_PREKEY_COUNTS = Route(Plane.ACCOUNT, "GET", "/v1/bundles/{bundle_id}/counts", idempotent=True)
_SET_USERNAME = Route(Plane.ACCOUNT, "PUT", "/v1/username", idempotent=True)
_RELEASE_USERNAME = Route(Plane.ACCOUNT, "DELETE", "/v1/username", idempotent=True)
_PUBLISH_OPENPGP = Route(Plane.ACCOUNT, "PUT", "/v1/bundles/{bundle_id}/openpgp", idempotent=True)
_UNPUBLISH_OPENPGP = Route(Plane.ACCOUNT, "DELETE", "/v1/bundles/{bundle_id}/openpgp", idempotent=True)
_FETCH_OPENPGP = Route(Plane.ANONYMOUS, "POST", "/a/v1/bundles/{bundle_id}/openpgp", idempotent=True)
_FETCH_BUNDLE = Route(Plane.ANONYMOUS, "POST", "/a/v1/bundles/{bundle_id}", idempotent=False)
_LOOKUP = Route(Plane.ANONYMOUS, "POST", "/a/v1/usernames/lookup", idempotent=True)
_CREATE_MAILBOX = Route(Plane.ANONYMOUS, "POST", "/a/v1/mailboxes", idempotent=True)
_DELETE_MAILBOX = Route(Plane.ANONYMOUS, "POST", "/a/v1/mailboxes/delete", idempotent=True)


TakeToken: TypeAlias = Callable[[], Awaitable[Token | None]]
"""Gives an anonymous token away, once; None when there is none to spend."""


async def no_tokens() -> Token | None:
    """For whoever has none: everything is paid for with work."""
    return None


class Api:
    """Every call that this client makes. All of them raise `NetworkError`s as `Transport.call` does."""

    def __init__(self, transport: Transport, take_token: TakeToken = no_tokens) -> None:
        self._transport = transport
        self._take_token = take_token

    async def register(self, device: DeviceKey, progress: Progress | None = None) -> tuple[str, str, Tokens]:
        """Make an account for a device key.

        Returns:
            Account id, device id, tokens.

        Raises:
            RefusedByServer: `already_registered` when an earlier answer was lost: log in instead.
        """
        request = auth_pb2.RegisterRequest(device_public_key=device.public, proof=device.prove_registration())
        answer = await self._paid(
            options_pb2.REGISTRATION, _REGISTER, request, auth_pb2.RegisterResponse.Registered, progress
        )
        return answer.account_id, answer.device_id, _tokens(answer.tokens)

    async def log_in(self, device: DeviceKey) -> Tokens:
        """Start a session with the device key. Raises: RefusedByServer (`refused`)."""
        challenge = await self._session_challenge(device)
        request = auth_pb2.CreateSessionRequest(
            device_public_key=device.public, challenge=challenge, signature=device.prove_session(challenge)
        )
        return _tokens(await self._transport.call(_CREATE_SESSION, request, auth_pb2.Tokens))

    async def refresh(self, device: DeviceKey, refresh_token: bytes) -> Tokens:
        """Trade the refresh token for new tokens. Raises: RefusedByServer (`refused`)."""
        challenge = await self._session_challenge(device)
        request = auth_pb2.RefreshSessionRequest(
            refresh_token=refresh_token,
            challenge=challenge,
            signature=device.prove_refresh(challenge, refresh_token),
            device_public_key=device.public,
        )
        return _tokens(await self._transport.call(_REFRESH_SESSION, request, auth_pb2.Tokens))

    async def _session_challenge(self, device: DeviceKey) -> bytes:
        request = auth_pb2.GetSessionChallengeRequest(device_public_key=device.public)
        answer = await self._transport.call(_SESSION_CHALLENGE, request, auth_pb2.GetSessionChallengeResponse)
        return answer.challenge

    async def end_session(self, token: AccessToken) -> None:
        """Log this device out."""
        await self._transport.call(_END_SESSION, None, auth_pb2.EndSessionResponse, token=token)

    async def account(self, token: AccessToken) -> tuple[str, str]:
        """Account id and device id behind the token."""
        answer = await self._transport.call(_ACCOUNT, None, auth_pb2.GetAccountResponse, token=token)
        return answer.account_id, answer.device_id

    async def issuer_keys(self) -> list[bytes]:
        """The public keys of anonymous tokens, oldest first, as they are encoded; none where none are offered."""
        answer = await self._transport.call(_ISSUER_KEYS, None, tokens_pb2.GetIssuerKeysResponse)
        return [key.public_key for key in answer.keys]

    async def issue_tokens(self, token: AccessToken, key_id: IssuerKeyId, blinded: Sequence[bytes]) -> list[bytes]:
        """Blind signatures, in the order of the messages. Raises: RefusedByServer (`quota_exhausted`)."""
        request = tokens_pb2.IssueTokensRequest(issuer_key_id=key_id, blinded_messages=blinded)
        issued = await self._transport.call(_ISSUE_TOKENS, request, tokens_pb2.IssueTokensResponse.Issued, token=token)
        if len(issued.blind_signatures) != len(blinded):
            raise ServerTrouble
        return list(issued.blind_signatures)

    async def create_wipe_ticket(self, token: AccessToken, ticket: WipeTicket) -> None:
        """Leave the hash of this device's wipe ticket, in place of the one before."""
        request = wipe_pb2.CreateWipeTicketRequest(ticket_hash=ticket.hash)
        await self._transport.call(_CREATE_WIPE_TICKET, request, wipe_pb2.CreateWipeTicketResponse.Created, token=token)

    async def redeem_wipe_ticket(self, ticket: WipeTicket) -> None:
        """End this device, or the account with it. Raises: RefusedByServer (`refused`) for one that is not known."""
        request = wipe_pb2.RedeemWipeTicketRequest(ticket=ticket.raw)
        await self._transport.call(_REDEEM_WIPE_TICKET, request, wipe_pb2.RedeemWipeTicketResponse.Wiped)

    async def publish_bundle(self, token: AccessToken, bundle_id: BundleId, base: keys_pb2.BundleBase) -> None:
        """Publish or replace what the bundle always holds."""
        request = keys_pb2.PublishBundleRequest(bundle_id=bundle_id, base=base)
        await self._transport.call(
            _PUBLISH_BUNDLE,
            request,
            keys_pb2.PublishBundleResponse.Published,
            token=token,
            bundle_id=base64url(bundle_id),
        )

    async def upload_prekeys(
        self,
        token: AccessToken,
        bundle_id: BundleId,
        one_time: list[keys_pb2.OneTimePreKey],
        kem: list[keys_pb2.KemPreKey],
    ) -> tuple[int, int]:
        """Add one-time prekeys; repeated ids change nothing.

        Returns:
            How many of each kind the server has now.
        """
        request = keys_pb2.UploadPreKeysRequest(bundle_id=bundle_id, one_time_prekeys=one_time, kem_prekeys=kem)
        counts = await self._transport.call(
            _UPLOAD_PREKEYS, request, keys_pb2.PreKeyCounts, token=token, bundle_id=base64url(bundle_id)
        )
        return counts.one_time_prekeys, counts.kem_prekeys

    async def prekey_counts(self, token: AccessToken, bundle_id: BundleId) -> tuple[int, int]:
        """How many one-time prekeys of each kind are left."""
        counts = await self._transport.call(
            _PREKEY_COUNTS, None, keys_pb2.PreKeyCounts, token=token, bundle_id=base64url(bundle_id)
        )
        return counts.one_time_prekeys, counts.kem_prekeys

    async def set_username(self, token: AccessToken, lookup_hash: bytes, sealed_address: bytes) -> None:
        """Take a username or change the address behind it. Raises: RefusedByServer (`username_taken`)."""
        request = keys_pb2.SetUsernameRequest(lookup_hash=lookup_hash, sealed_address=sealed_address)
        await self._transport.call(_SET_USERNAME, request, keys_pb2.SetUsernameResponse.Set, token=token)

    async def release_username(self, token: AccessToken) -> None:
        """Give the username up."""
        await self._transport.call(_RELEASE_USERNAME, None, keys_pb2.ReleaseUsernameResponse, token=token)

    async def look_up_username(self, lookup_hash: bytes, progress: Progress | None = None) -> bytes | None:
        """The sealed address behind a username; None for one that is not taken."""
        request = keys_pb2.LookupUsernameRequest(lookup_hash=lookup_hash)
        try:
            found = await self._paid(
                options_pb2.LOOKUP, _LOOKUP, request, keys_pb2.LookupUsernameResponse.Found, progress
            )
        except RefusedByServer as error:
            if error.code == REFUSED:
                return None
            raise
        return found.sealed_address

    async def fetch_bundle(self, bundle_id: BundleId, progress: Progress | None = None) -> keys_pb2.FetchedBundle:
        """A bundle, with a one-time key of each kind while there are any. Raises: RefusedByServer (`refused`)."""
        request = keys_pb2.FetchBundleRequest(bundle_id=bundle_id)
        return await self._paid(
            options_pb2.FIRST_CONTACT,
            _FETCH_BUNDLE,
            request,
            keys_pb2.FetchedBundle,
            progress,
            bundle_id=base64url(bundle_id),
        )

    async def publish_openpgp(self, token: AccessToken, bundle_id: BundleId, certificate: bytes) -> None:
        """Publish or replace the OpenPGP certificate beside the bundle."""
        request = keys_pb2.PublishOpenPgpRequest(bundle_id=bundle_id, certificate=certificate)
        await self._transport.call(
            _PUBLISH_OPENPGP,
            request,
            keys_pb2.PublishOpenPgpResponse.Published,
            token=token,
            bundle_id=base64url(bundle_id),
        )

    async def unpublish_openpgp(self, token: AccessToken, bundle_id: BundleId) -> None:
        """Take the OpenPGP certificate beside the bundle back; repeating it changes nothing."""
        await self._transport.call(
            _UNPUBLISH_OPENPGP, None, keys_pb2.UnpublishOpenPgpResponse, token=token, bundle_id=base64url(bundle_id)
        )

    async def fetch_openpgp(self, bundle_id: BundleId, progress: Progress | None = None) -> bytes | None:
        """The OpenPGP certificate beside a bundle; None where there is none."""
        request = keys_pb2.FetchOpenPgpRequest(bundle_id=bundle_id)
        try:
            found = await self._paid(
                options_pb2.LOOKUP,
                _FETCH_OPENPGP,
                request,
                keys_pb2.FetchOpenPgpResponse.Found,
                progress,
                bundle_id=base64url(bundle_id),
            )
        except RefusedByServer as error:
            if error.code == REFUSED:
                return None
            raise
        return found.certificate

    async def create_mailbox(self, mailbox: Mailbox, progress: Progress | None = None) -> None:
        """Make the mailbox on the server; repeating it changes nothing."""
        request = mailboxes_pb2.CreateMailboxRequest(
            recv_public_key=mailbox.recv_public,
            send_secret_hash=mailbox.send_secret_hash,
            signature=mailbox.prove_creation(),
        )
        await self._paid(
            options_pb2.MAILBOX, _CREATE_MAILBOX, request, mailboxes_pb2.CreateMailboxResponse.Created, progress
        )

    async def delete_mailbox(self, mailbox: Mailbox) -> None:
        """Delete the mailbox with all that is in it; repeating it changes nothing."""
        request = mailboxes_pb2.DeleteMailboxRequest(
            recv_public_key=mailbox.recv_public, signature=mailbox.prove_deletion()
        )
        await self._transport.call(_DELETE_MAILBOX, request, mailboxes_pb2.DeleteMailboxResponse.Deleted)

    async def _paid(
        self,
        purpose: options_pb2.Admission.ValueType,
        route: Route,
        request: Message,
        answer: type[M],
        progress: Progress | None,
        **parameters: str,
    ) -> M:
        """A call that costs a token or, without one, a proof of work. What was paid too late is paid once more."""
        token = None if purpose == options_pb2.REGISTRATION else await self._take_token()
        if token is not None:
            try:
                admission = f"token {base64url(token)}"
                return await self._transport.call(route, request, answer, admission=admission, **parameters)
            except RefusedByServer as error:
                # Refused are tokens of an epoch that is over; work is always taken.
                if error.code != ADMISSION_REFUSED:
                    raise
        try:
            return await self._pay_and_call(purpose, route, request, answer, progress, **parameters)
        except RefusedByServer as error:
            if error.code != ADMISSION_REFUSED:
                raise
        return await self._pay_and_call(purpose, route, request, answer, progress, **parameters)

    async def _pay_and_call(
        self,
        purpose: options_pb2.Admission.ValueType,
        route: Route,
        request: Message,
        answer: type[M],
        progress: Progress | None,
        **parameters: str,
    ) -> M:
        challenge = await self._transport.call(
            _CHALLENGE, auth_pb2.GetChallengeRequest(purpose=purpose), auth_pb2.GetChallengeResponse
        )
        nonce = await solve(challenge.challenge, challenge.difficulty_bits, progress)
        admission = f"pow {base64url(challenge.challenge)}.{base64url(nonce)}"
        return await self._transport.call(route, request, answer, admission=admission, **parameters)


def base64url(data: bytes) -> str:
    """RFC 4648 section 5, without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _tokens(message: auth_pb2.Tokens) -> Tokens:
    return Tokens(
        AccessToken(message.access_token),
        message.access_expires_in_seconds,
        message.refresh_token,
        message.refresh_expires_in_seconds,
    )
