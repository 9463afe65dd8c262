"""The tables of keys in PostgreSQL."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from handshaker_keys.domain import (
    BUNDLES_PER_ACCOUNT,
    BundleBase,
    BundleId,
    FetchedBundle,
    LookupKey,
    OneTimePreKey,
    OpenPgpCertificate,
    PreKeyCounts,
    SealedAddress,
    SignedPreKey,
    Suite,
)

# One change of an account at a time, so that "at most so many" and "one at a time" hold under concurrency.
LOCK_ACCOUNT = "SELECT pg_advisory_xact_lock(hashtextextended($1::uuid::text, 0))"

PUBLISH = """
INSERT INTO bundles AS bundle (
    bundle_id, account_id, suite, identity_key, seal_key, seal_key_signature,
    signed_prekey_id, signed_prekey, signed_prekey_signature,
    last_resort_kem_prekey_id, last_resort_kem_prekey, last_resort_kem_prekey_signature, device_certificate
)
SELECT $1, $2, $3::smallint, $4, $5, $6, $7::bigint, $8, $9, $10::bigint, $11, $12, $13
WHERE (SELECT count(*) FROM bundles WHERE account_id = $2 AND bundle_id <> $1) < $14
ON CONFLICT (bundle_id) DO UPDATE SET
    identity_key = excluded.identity_key,
    seal_key = excluded.seal_key,
    seal_key_signature = excluded.seal_key_signature,
    signed_prekey_id = excluded.signed_prekey_id,
    signed_prekey = excluded.signed_prekey,
    signed_prekey_signature = excluded.signed_prekey_signature,
    last_resort_kem_prekey_id = excluded.last_resort_kem_prekey_id,
    last_resort_kem_prekey = excluded.last_resort_kem_prekey,
    last_resort_kem_prekey_signature = excluded.last_resort_kem_prekey_signature,
    device_certificate = excluded.device_certificate
WHERE bundle.account_id = excluded.account_id AND bundle.suite = excluded.suite
RETURNING true
"""

OWN_SUITE = "SELECT suite FROM bundles WHERE bundle_id = $1 AND account_id = $2"

ADD_ONE_TIME_PREKEYS = """
INSERT INTO one_time_prekeys (bundle_id, key_id, public_key)
SELECT $1, * FROM unnest($2::bigint[], $3::bytea[]) ON CONFLICT DO NOTHING
"""

ADD_KEM_PREKEYS = """
INSERT INTO kem_prekeys (bundle_id, key_id, public_key, signature)
SELECT $1, * FROM unnest($2::bigint[], $3::bytea[], $4::bytea[]) ON CONFLICT DO NOTHING
"""

COUNTS = """
SELECT (SELECT count(*) FROM one_time_prekeys WHERE bundle_id = $1) AS one_time_prekeys,
       (SELECT count(*) FROM kem_prekeys WHERE bundle_id = $1) AS kem_prekeys
FROM bundles WHERE bundle_id = $1 AND account_id = $2
"""

# Takers never wait for each other: each locks a key that nobody else has, and deletes it. `= (SELECT …)` is evaluated
# once; `IN (SELECT … LIMIT 1)` may be evaluated again by some plans and delete more than was handed out.
TAKE = """
WITH one_time AS (
    DELETE FROM one_time_prekeys WHERE bundle_id = $1 AND key_id = (
        SELECT key_id FROM one_time_prekeys WHERE bundle_id = $1 ORDER BY key_id LIMIT 1 FOR UPDATE SKIP LOCKED
    ) RETURNING key_id, public_key
), kem AS (
    DELETE FROM kem_prekeys WHERE bundle_id = $1 AND key_id = (
        SELECT key_id FROM kem_prekeys WHERE bundle_id = $1 ORDER BY key_id LIMIT 1 FOR UPDATE SKIP LOCKED
    ) RETURNING key_id, public_key, signature
)
SELECT bundles.*, one_time.key_id AS one_time_id, one_time.public_key AS one_time_key,
       kem.key_id AS kem_id, kem.public_key AS kem_key, kem.signature AS kem_signature
FROM bundles LEFT JOIN one_time ON true LEFT JOIN kem ON true WHERE bundles.bundle_id = $1
"""

RELEASE_OTHERS = "DELETE FROM usernames WHERE account_id = $1 AND lookup_key <> $2"

SET_USERNAME = """
INSERT INTO usernames AS name (lookup_key, account_id, sealed_address) VALUES ($2, $1, $3)
ON CONFLICT (lookup_key) DO UPDATE SET sealed_address = excluded.sealed_address
WHERE name.account_id = excluded.account_id
RETURNING true
"""

# The owner's bundle is locked for the moment, so that a certificate never outlives it.
PUBLISH_OPENPGP = """
INSERT INTO openpgp_certificates (bundle_id, certificate)
SELECT bundle_id, $3 FROM bundles WHERE bundle_id = $1 AND account_id = $2 FOR KEY SHARE
ON CONFLICT (bundle_id) DO UPDATE SET certificate = excluded.certificate
RETURNING true
"""

UNPUBLISH_OPENPGP = """
DELETE FROM openpgp_certificates USING bundles
WHERE openpgp_certificates.bundle_id = $1 AND bundles.bundle_id = $1 AND bundles.account_id = $2
"""

FETCH_OPENPGP = "SELECT certificate FROM openpgp_certificates WHERE bundle_id = $1"


class _RollBack(Exception):
    """Leaves a transaction without keeping what it did."""


def _roll_back_unless(wanted: object) -> None:
    if not wanted:
        raise _RollBack


class KeysStore:
    """Bundles, one-time prekeys, OpenPGP certificates and usernames."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def is_up(self) -> bool:
        """Whether the database answers."""
        try:
            return bool(await self._pool.fetchval("SELECT true"))
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False

    async def publish(self, account_id: UUID, bundle_id: BundleId, base: BundleBase) -> bool:
        """Adds the bundle or replaces its base; False, and nothing, if it is somebody else's or one too many.

        A bundle keeps its suite: one-time keys of another would not fit.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(LOCK_ACCOUNT, account_id)
            published = await connection.fetchval(
                PUBLISH,
                bundle_id,
                account_id,
                base.suite,
                base.identity_key,
                base.seal_key,
                base.seal_key_signature,
                base.signed_prekey.key_id,
                base.signed_prekey.public_key,
                base.signed_prekey.signature,
                base.last_resort_kem_prekey.key_id,
                base.last_resort_kem_prekey.public_key,
                base.last_resort_kem_prekey.signature,
                base.device_certificate,
                BUNDLES_PER_ACCOUNT,
            )
        return bool(published)

    async def suite_of(self, account_id: UUID, bundle_id: BundleId) -> Suite | None:
        """The suite of the account's own bundle; None if there is none such."""
        suite = await self._pool.fetchval(OWN_SUITE, bundle_id, account_id)
        return None if suite is None else Suite(suite)

    async def add_prekeys(
        self,
        account_id: UUID,
        bundle_id: BundleId,
        one_time_prekeys: Sequence[OneTimePreKey],
        kem_prekeys: Sequence[SignedPreKey],
    ) -> PreKeyCounts | None:
        """Adds one-time keys whose ids are new; None, and nothing, if not the owner's or more than may be kept."""
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(LOCK_ACCOUNT, account_id)
                if await connection.fetchval(OWN_SUITE, bundle_id, account_id) is None:
                    return None
                ids, keys = [key.key_id for key in one_time_prekeys], [key.public_key for key in one_time_prekeys]
                await connection.execute(ADD_ONE_TIME_PREKEYS, bundle_id, ids, keys)
                kem_ids, kem_keys = [key.key_id for key in kem_prekeys], [key.public_key for key in kem_prekeys]
                signatures = [key.signature for key in kem_prekeys]
                await connection.execute(ADD_KEM_PREKEYS, bundle_id, kem_ids, kem_keys, signatures)
                counts = _counts(await connection.fetchrow(COUNTS, bundle_id, account_id))
                _roll_back_unless(counts is not None and counts.within_limits)
                return counts
        except _RollBack:
            return None

    async def counts(self, account_id: UUID, bundle_id: BundleId) -> PreKeyCounts | None:
        """How many one-time keys the account's own bundle has left; None if there is none such."""
        return _counts(await self._pool.fetchrow(COUNTS, bundle_id, account_id))

    async def take(self, bundle_id: BundleId) -> FetchedBundle | None:
        """The bundle with one one-time key of each kind, each handed out to this caller alone; None if unknown."""
        row = await self._pool.fetchrow(TAKE, bundle_id)
        return None if row is None else _fetched(row)

    async def publish_openpgp(self, account_id: UUID, bundle_id: BundleId, certificate: OpenPgpCertificate) -> bool:
        """Puts the certificate beside the account's own bundle; False, and nothing, if there is none such."""
        return bool(await self._pool.fetchval(PUBLISH_OPENPGP, bundle_id, account_id, certificate))

    async def unpublish_openpgp(self, account_id: UUID, bundle_id: BundleId) -> None:
        """Takes the certificate beside the account's own bundle back, if there is one."""
        await self._pool.execute(UNPUBLISH_OPENPGP, bundle_id, account_id)

    async def openpgp(self, bundle_id: BundleId) -> OpenPgpCertificate | None:
        """The certificate beside a bundle; None if there is no certificate, or no bundle."""
        found = await self._pool.fetchval(FETCH_OPENPGP, bundle_id)
        return None if found is None else OpenPgpCertificate(found)

    async def set_username(self, account_id: UUID, key: LookupKey, address: SealedAddress) -> bool:
        """Makes this the account's one name, or replaces the address of the one it has; False if it is taken.

        When it is taken, the account keeps the name it had.
        """
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(LOCK_ACCOUNT, account_id)
                await connection.execute(RELEASE_OTHERS, account_id, key)
                _roll_back_unless(await connection.fetchval(SET_USERNAME, account_id, key, address))
                return True
        except _RollBack:
            return False

    async def release_username(self, account_id: UUID) -> None:
        """Gives the account's name back, if it has one."""
        await self._pool.execute("DELETE FROM usernames WHERE account_id = $1", account_id)

    async def look_up(self, key: LookupKey) -> SealedAddress | None:
        """The sealed address behind a name; None if nobody has it."""
        address = await self._pool.fetchval("SELECT sealed_address FROM usernames WHERE lookup_key = $1", key)
        return None if address is None else SealedAddress(address)


def _counts(row: asyncpg.Record | None) -> PreKeyCounts | None:
    return None if row is None else PreKeyCounts(row["one_time_prekeys"], row["kem_prekeys"])


def _fetched(row: asyncpg.Record) -> FetchedBundle:
    base = BundleBase(
        Suite(row["suite"]),
        row["identity_key"],
        row["seal_key"],
        row["seal_key_signature"],
        SignedPreKey(row["signed_prekey_id"], row["signed_prekey"], row["signed_prekey_signature"]),
        SignedPreKey(
            row["last_resort_kem_prekey_id"], row["last_resort_kem_prekey"], row["last_resort_kem_prekey_signature"]
        ),
        row["device_certificate"],
    )
    one_time = None if row["one_time_id"] is None else OneTimePreKey(row["one_time_id"], row["one_time_key"])
    kem = None if row["kem_id"] is None else SignedPreKey(row["kem_id"], row["kem_key"], row["kem_signature"])
    return FetchedBundle(base, one_time, kem)
