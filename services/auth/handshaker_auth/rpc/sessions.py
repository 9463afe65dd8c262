"""Admission, registration, sessions and the published keys."""

from typing import Any

from handshaker_common import metrics
from handshaker_common.clock import Clock
from handshaker_common.entropy import Entropy
from handshaker_common.identity import Identity, caller
from handshaker_proto.auth.v1 import auth_pb2, auth_pb2_grpc

from handshaker_auth.domain import access_tokens, challenges, sessions
from handshaker_auth.domain.access_tokens import AccessTokens
from handshaker_auth.domain.admission import Admissions, ProofOfWork, Purpose
from handshaker_auth.domain.anonymous_tokens import Issuer
from handshaker_auth.domain.days import day_of
from handshaker_auth.domain.ids import DevicePublicKey
from handshaker_auth.domain.refresh import RefreshPolicy, RefreshToken
from handshaker_auth.domain.registration import holds_device_key, new_account
from handshaker_auth.domain.sessions import SessionChallenges
from handshaker_auth.store import AuthStore, RefreshFailure, TokenStore

Context = Any


class AdmissionServicer(auth_pb2_grpc.AdmissionServiceServicer):
    """What anonymous callers pay with."""

    def __init__(self, admissions: Admissions, store: AuthStore, issuer: Issuer, tokens: TokenStore) -> None:
        self._admissions = admissions
        self._store = store
        self._issuer = issuer
        self._tokens = tokens

    async def GetChallenge(
        self, request: auth_pb2.GetChallengeRequest, context: Context
    ) -> auth_pb2.GetChallengeResponse:
        """A challenge to work on; nothing is kept of it."""
        challenge, bits = self._admissions.challenge(Purpose(request.purpose))
        return auth_pb2.GetChallengeResponse(
            challenge=challenge, difficulty_bits=bits, expires_in_seconds=challenges.LIFETIME_SECONDS
        )

    async def Redeem(self, request: auth_pb2.RedeemRequest, context: Context) -> auth_pb2.RedeemResponse:
        """Spends an admission once."""
        purpose = Purpose(request.purpose)
        admitted = await self._spend(purpose, request)
        metrics.ADMISSIONS.labels(purpose.name.lower(), "admitted" if admitted else "refused").inc()
        if admitted:
            return auth_pb2.RedeemResponse(admitted=auth_pb2.RedeemResponse.Admitted())
        return auth_pb2.RedeemResponse(refused=auth_pb2.RedeemResponse.Refused())

    async def _spend(self, purpose: Purpose, request: auth_pb2.RedeemRequest) -> bool:
        """Spends what the caller chose to pay with; False when it is worth nothing, or was spent before."""
        match request.WhichOneof("admission"):
            case "proof_of_work":
                offer = request.proof_of_work
                work = self._admissions.check_proof_of_work(purpose, ProofOfWork(offer.challenge, offer.nonce))
                return work is not None and await self._store.spend(work)
            case "token" if purpose.takes_tokens:
                token = self._issuer.check(request.token)
                return token is not None and await self._tokens.spend(token)
        return False


class TokenDesk:
    """Makes the pair of tokens that every login and refresh ends with."""

    def __init__(self, access_tokens: AccessTokens, policy: RefreshPolicy) -> None:
        self._access_tokens = access_tokens
        self._policy = policy

    def tokens(self, identity: Identity, refresh_token: RefreshToken) -> auth_pb2.Tokens:
        """The message with a new access token and this refresh token."""
        return auth_pb2.Tokens(
            access_token=self._access_tokens.issue(identity.account_id, identity.device_id),
            access_expires_in_seconds=access_tokens.LIFETIME_SECONDS,
            refresh_token=refresh_token.secret,
            refresh_expires_in_seconds=self._policy.seconds,
        )


class RegistrationServicer(auth_pb2_grpc.RegistrationServiceServicer):
    """New accounts."""

    def __init__(self, store: AuthStore, desk: TokenDesk, clock: Clock, entropy: Entropy) -> None:
        self._store = store
        self._desk = desk
        self._clock = clock
        self._entropy = entropy

    async def Register(self, request: auth_pb2.RegisterRequest, context: Context) -> auth_pb2.RegisterResponse:
        """An account for a device key that the caller proves to hold."""
        device_public_key = DevicePublicKey(request.device_public_key)
        if not holds_device_key(device_public_key, request.proof):
            return auth_pb2.RegisterResponse(bad_proof=auth_pb2.RegisterResponse.BadProof())
        account = new_account(device_public_key, self._clock, self._entropy)
        token = RefreshToken.first(self._entropy)
        if not await self._store.register(account, token, day_of(self._clock.now())):
            return auth_pb2.RegisterResponse(already_registered=auth_pb2.RegisterResponse.AlreadyRegistered())
        registered = auth_pb2.RegisterResponse.Registered(
            account_id=str(account.account_id),
            device_id=str(account.device_id),
            tokens=self._desk.tokens(Identity(account.account_id, account.device_id), token),
        )
        return auth_pb2.RegisterResponse(registered=registered)


class SessionsServicer(auth_pb2_grpc.SessionsServiceServicer):
    """Logins of devices."""

    def __init__(
        self,
        store: AuthStore,
        session_challenges: SessionChallenges,
        desk: TokenDesk,
        policy: RefreshPolicy,
        *,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self._store = store
        self._challenges = session_challenges
        self._desk = desk
        self._policy = policy
        self._clock = clock
        self._entropy = entropy

    async def GetSessionChallenge(
        self, request: auth_pb2.GetSessionChallengeRequest, context: Context
    ) -> auth_pb2.GetSessionChallengeResponse:
        """A challenge for this key, whether or not anybody has registered it."""
        challenge = self._challenges.challenge(DevicePublicKey(request.device_public_key))
        return auth_pb2.GetSessionChallengeResponse(challenge=challenge, expires_in_seconds=sessions.CHALLENGE_SECONDS)

    async def CreateSession(
        self, request: auth_pb2.CreateSessionRequest, context: Context
    ) -> auth_pb2.CreateSessionResponse:
        """Logs a device in by its signature."""
        device_public_key = DevicePublicKey(request.device_public_key)
        spend = self._challenges.check_login(device_public_key, request.challenge, request.signature)
        if spend is not None:
            token = RefreshToken.first(self._entropy)
            identity = await self._store.log_in(spend, device_public_key, token, day_of(self._clock.now()))
            if identity is not None:
                return auth_pb2.CreateSessionResponse(tokens=self._desk.tokens(identity, token))
        return auth_pb2.CreateSessionResponse(refused=auth_pb2.CreateSessionResponse.Refused())

    async def RefreshSession(
        self, request: auth_pb2.RefreshSessionRequest, context: Context
    ) -> auth_pb2.RefreshSessionResponse:
        """Trades a refresh token in; a token that was traded in before ends its family."""
        device_public_key = DevicePublicKey(request.device_public_key)
        presented = RefreshToken(request.refresh_token)
        spend = self._challenges.check_refresh(device_public_key, request.challenge, presented, request.signature)
        if spend is not None:
            token = presented.next(self._entropy)
            today = day_of(self._clock.now())
            result = await self._store.refresh(
                spend,
                device_public_key,
                presented=presented,
                replacement=token,
                today=today,
                oldest_use=self._policy.oldest_use(today),
            )
            if isinstance(result, Identity):
                return auth_pb2.RefreshSessionResponse(tokens=self._desk.tokens(result, token))
            if result is RefreshFailure.REUSED:
                metrics.REFRESH_TOKENS_REUSED.inc()
        return auth_pb2.RefreshSessionResponse(refused=auth_pb2.RefreshSessionResponse.Refused())

    async def EndSession(self, request: auth_pb2.EndSessionRequest, context: Context) -> auth_pb2.EndSessionResponse:
        """Ends all refresh families of the calling device."""
        await self._store.end_sessions(caller())
        return auth_pb2.EndSessionResponse()

    async def GetAccount(self, request: auth_pb2.GetAccountRequest, context: Context) -> auth_pb2.GetAccountResponse:
        """Tells the caller who it is."""
        identity = caller()
        return auth_pb2.GetAccountResponse(account_id=str(identity.account_id), device_id=str(identity.device_id))


class KeySetServicer(auth_pb2_grpc.KeySetServiceServicer):
    """The public keys of access tokens."""

    def __init__(self, tokens: AccessTokens) -> None:
        keys = [auth_pb2.GetKeySetResponse.Key(key_id=k.key_id, public_key=k.public_key) for k in tokens.published]
        self._answer = auth_pb2.GetKeySetResponse(keys=keys)

    async def GetKeySet(self, request: auth_pb2.GetKeySetRequest, context: Context) -> auth_pb2.GetKeySetResponse:
        """All keys that a token may be signed with, the one in use among them."""
        return self._answer
