"""The one account of a store: keys, names and session tokens."""

from dataclasses import dataclass

from handshaker_core.credentials import AccessToken, DeviceKey, SigningSeed, Tokens
from handshaker_core.protocol.address import BundleId
from handshaker_core.protocol.keys import IdentityKeyPair
from handshaker_core.protocol.seal import SealKeyPair
from handshaker_core.store.connection import Connection


@dataclass(frozen=True, slots=True, repr=False)
class AccountKeys:
    """What never changes as long as the account lives."""

    device: DeviceKey
    identity: IdentityKeyPair
    seal: SealKeyPair
    seal_signature: bytes
    bundle_id: BundleId
    created_at: float


@dataclass(frozen=True, slots=True, repr=False)
class AccountRow:
    """What does change."""

    server: str
    proxy: str | None
    account_id: str | None
    device_id: str | None
    display_name: str
    username: str | None
    bundle_published: bool
    logged_out: bool


@dataclass(frozen=True, slots=True, repr=False)
class StoredTokens:
    """Tokens as they were committed; times are seconds since 1970."""

    access: AccessToken
    access_expires_at: float
    refresh: bytes
    refresh_expires_at: float


def create(c: Connection, keys: AccountKeys, server: str, proxy: str | None) -> None:
    """Make the account's row, before the server knows of it."""
    c.execute(
        "INSERT INTO account (only, server, proxy, device_seed, identity_seed, seal_key, seal_signature, bundle_id,"
        " created_at) VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            server,
            proxy,
            keys.device.seed.raw,
            keys.identity.seed,
            keys.seal.to_bytes(),
            keys.seal_signature,
            keys.bundle_id,
            keys.created_at,
        ),
    )


def keys(c: Connection) -> AccountKeys | None:
    """The account's keys; None before `create`."""
    row = c.execute(
        "SELECT device_seed, identity_seed, seal_key, seal_signature, bundle_id, created_at FROM account"
    ).fetchone()
    if row is None:
        return None
    device, identity, seal, signature, bundle_id, created_at = row
    return AccountKeys(
        device=DeviceKey(SigningSeed(device)),
        identity=IdentityKeyPair(identity),
        seal=SealKeyPair.from_bytes(seal),
        seal_signature=signature,
        bundle_id=BundleId(bundle_id),
        created_at=created_at,
    )


def get(c: Connection) -> AccountRow | None:
    """The account's row; None before `create`."""
    row = c.execute(
        "SELECT server, proxy, account_id, device_id, display_name, username, bundle_published, logged_out FROM account"
    ).fetchone()
    if row is None:
        return None
    server, proxy, account_id, device_id, display_name, username, published, logged_out = row
    return AccountRow(server, proxy, account_id, device_id, display_name, username, bool(published), bool(logged_out))


def set_route(c: Connection, server: str, proxy: str | None) -> None:
    """Where the server is from now on, and the way there."""
    c.execute("UPDATE account SET server = ?, proxy = ?", (server, proxy))


def set_registered(c: Connection, account_id: str, device_id: str) -> None:
    """The server has made the account."""
    c.execute("UPDATE account SET account_id = ?, device_id = ?", (account_id, device_id))


def set_bundle_published(c: Connection, published: bool) -> None:
    """Whether the server holds the current bundle."""
    c.execute("UPDATE account SET bundle_published = ?", (published,))


def set_username(c: Connection, username: str | None) -> None:
    """The username that the directory holds for this account."""
    c.execute("UPDATE account SET username = ?", (username,))


def set_display_name(c: Connection, name: str) -> None:
    """What contacts are told to call this person."""
    c.execute("UPDATE account SET display_name = ?", (name,))


def take_prekey_ids(c: Connection, count: int) -> int:
    """Reserve `count` key ids that were never used. Returns: the first."""
    row = c.execute(
        "UPDATE account SET next_prekey_id = next_prekey_id + ? RETURNING next_prekey_id - ?", (count, count)
    ).fetchone()
    if row is None:
        raise LookupError("there is no account yet")
    first: int = row[0]
    return first


def tokens(c: Connection) -> StoredTokens | None:
    """The current tokens; None when logged out."""
    row = c.execute("SELECT access_token, access_expires_at, refresh_token, refresh_expires_at FROM account").fetchone()
    return None if row is None or row[0] is None else StoredTokens(*row)


def set_tokens(c: Connection, fresh: Tokens | None, now: float) -> None:
    """Replace the tokens; None forgets them and marks the device as logged out."""
    if fresh is None:
        c.execute(
            "UPDATE account SET access_token = NULL, access_expires_at = NULL, refresh_token = NULL,"
            " refresh_expires_at = NULL, logged_out = 1"
        )
        return
    c.execute(
        "UPDATE account SET access_token = ?, access_expires_at = ?, refresh_token = ?, refresh_expires_at = ?,"
        " logged_out = 0",
        (fresh.access, now + fresh.access_expires_in, fresh.refresh, now + fresh.refresh_expires_in),
    )
