"""Puts auth together and runs it."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

import asyncpg
import grpc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from handshaker_common import metrics
from handshaker_common.clock import Clock, SystemClock
from handshaker_common.command import run_service
from handshaker_common.entropy import Entropy, system_entropy
from handshaker_common.identity import Identity
from handshaker_common.log import configure, get_logger, where
from handshaker_common.postgres import service_database
from handshaker_common.server import Service
from handshaker_common.tokens import AccessTokenVerifier
from handshaker_proto.auth.v1 import auth_pb2_grpc, devices_pb2_grpc, tokens_pb2_grpc, wipe_pb2_grpc

from handshaker_auth.domain.access_tokens import AccessTokens
from handshaker_auth.domain.admission import Admissions
from handshaker_auth.domain.anonymous_tokens import Issuer
from handshaker_auth.domain.challenges import Challenges, ChallengeSecret
from handshaker_auth.domain.days import day_of
from handshaker_auth.domain.devices import RecoveryChallenges
from handshaker_auth.domain.refresh import RefreshPolicy
from handshaker_auth.domain.sessions import SessionChallenges
from handshaker_auth.rpc import (
    AdmissionServicer,
    DevicesServicer,
    KeySetServicer,
    RecoveryServicer,
    RegistrationServicer,
    SessionsServicer,
    TokenDesk,
    TokensServicer,
    WipeServicer,
)
from handshaker_auth.settings import AuthSettings, issuer_keys_in, signing_keys_in
from handshaker_auth.store import AuthStore, DeviceStore, TokenStore, WipeStore

NAME = "auth"
PACKAGE = "handshaker_auth"


class OwnTokens:
    """Checks auth's own tokens with its own keys, so that it needs no call to itself."""

    def __init__(self, tokens: AccessTokens, clock: Clock) -> None:
        keys = {key.key_id: Ed25519PublicKey.from_public_bytes(key.public_key) for key in tokens.published}
        self._verifier = AccessTokenVerifier(keys, clock)

    async def verify(self, token: str) -> Identity:
        """As `AccessTokenVerifier.verify`."""
        return self._verifier.verify(token)


class Auth:
    """All of auth over one pool."""

    def __init__(self, pool: asyncpg.Pool, settings: AuthSettings, clock: Clock, entropy: Entropy) -> None:
        self._settings = settings
        self._clock = clock
        self.store = AuthStore(pool)
        self._policy = RefreshPolicy(settings.refresh_days)
        tokens = AccessTokens(signing_keys_in(settings.signing_keys), clock, entropy)
        secret = ChallengeSecret(settings.challenge_secret_file.read_bytes())
        challenges, desk = Challenges(secret, clock, entropy), TokenDesk(tokens, self._policy)
        session_challenges, devices = SessionChallenges(challenges), DeviceStore(pool)
        self.verifier = OwnTokens(tokens, clock)
        self._issuer, self.tokens = Issuer(issuer_keys_in(settings.issuer_keys), entropy), TokenStore(pool)
        admissions = Admissions(challenges, settings.difficulty)
        self._admission = AdmissionServicer(admissions, self.store, self._issuer, self.tokens)
        signing = ThreadPoolExecutor(1, "signing")
        self._tokens = TokensServicer(self._issuer, self.tokens, clock, executor=signing, quota=settings.tokens_a_day)
        self._registration = RegistrationServicer(self.store, desk, clock, entropy)
        self._sessions = SessionsServicer(
            self.store, session_challenges, desk, self._policy, clock=clock, entropy=entropy
        )
        self._devices = DevicesServicer(devices, entropy)
        self._recovery = RecoveryServicer(
            devices, RecoveryChallenges(session_challenges), desk, clock=clock, entropy=entropy
        )
        self._wipe = WipeServicer(WipeStore(pool))
        self._key_set = KeySetServicer(tokens)

    def add_to(self, server: grpc.aio.Server) -> None:
        """Adds auth's methods to a server."""
        auth_pb2_grpc.add_AdmissionServiceServicer_to_server(self._admission, server)
        auth_pb2_grpc.add_RegistrationServiceServicer_to_server(self._registration, server)
        auth_pb2_grpc.add_SessionsServiceServicer_to_server(self._sessions, server)
        auth_pb2_grpc.add_KeySetServiceServicer_to_server(self._key_set, server)
        devices_pb2_grpc.add_DevicesServiceServicer_to_server(self._devices, server)
        devices_pb2_grpc.add_RecoveryServiceServicer_to_server(self._recovery, server)
        tokens_pb2_grpc.add_TokensServiceServicer_to_server(self._tokens, server)
        wipe_pb2_grpc.add_WipeServiceServicer_to_server(self._wipe, server)

    async def clean(self) -> None:
        """Deletes what has expired."""
        now = self._clock.now()
        challenges = await self.store.forget_challenges(now)
        metrics.EXPIRED_ROWS.labels("spent_challenges").inc(challenges)
        families = await self.store.end_unused_families(self._policy.oldest_use(day_of(now)))
        metrics.EXPIRED_ROWS.labels("refresh_families").inc(families)
        spent = await self.tokens.end_epochs_before(self._issuer.epochs)
        metrics.EXPIRED_ROWS.labels("spent_tokens").inc(spent)
        counters = await self.tokens.forget_counters(day_of(now))
        metrics.EXPIRED_ROWS.labels("token_counters").inc(counters)

    async def clean_for_ever(self) -> None:
        """Calls `clean` now and then; a database that is away is tried again the next time."""
        while True:
            try:
                await self.clean()
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                get_logger().warning("could not delete what has expired", **where(error))
            await asyncio.sleep(self._settings.clean_seconds)


async def serve(settings: AuthSettings) -> int:
    """Runs auth until it is told to stop; returns the exit status."""
    configure(NAME, settings.log_level)
    async with service_database(settings, PACKAGE) as pool:
        auth = Auth(pool, settings, SystemClock(), system_entropy)
        async with Service(NAME, settings, verifier=auth.verifier) as service:
            auth.add_to(service.server)
            service.ready_when(auth.store.is_up)
            service.add_task(auth.clean_for_ever())
            return await service.serve()


def main() -> NoReturn:
    """The command line."""
    run_service(NAME, AuthSettings, serve)
