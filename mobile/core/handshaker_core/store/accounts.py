"""The one account of a store: keys, names and session tokens."""

from dataclasses import dataclass

from handshaker_core.credentials import AccessToken, DeviceKey, SigningSeed, Tokens
from handshaker_core.errors import PrimaryDeviceOnly
from handshaker_core.protocol.address import BundleId
from handshaker_core.protocol.device import DeviceCertificate, DeviceList
from handshaker_core.protocol.keys import DeviceIdentityKeyPair, IdentityKeyPair, IdentityPublicKey
from handshaker_core.protocol.root import RootSeed
from handshaker_core.protocol.seal import SealKeyPair
from handshaker_core.protocol.sealed_sender import verified_certificate
from handshaker_core.protocol.session import LocalDevice
from handshaker_core.store.connection import Connection


@dataclass(frozen=True, slots=True, repr=False)
class AccountKeys:
    """What never changes as long as the account lives.

    Attributes:
        device: proves to the server which device this is.
        root: what the recovery phrase spells; None on linked devices, and where the identity was random once.
        identity_pair: the person's; None on linked devices.
        device_identity: IK of this device's sessions, certified by the identity.
        certificate: the identity's word for it.
        seal: what frames for this device are sealed to.
        seal_signature: by `device_identity`.
        bundle_id: where this device's prekeys are.
        created_at: seconds since 1970.
    """

    device: DeviceKey
    root: RootSeed | None
    identity_pair: IdentityKeyPair | None
    device_identity: DeviceIdentityKeyPair
    certificate: DeviceCertificate
    seal: SealKeyPair
    seal_signature: bytes
    bundle_id: BundleId
    created_at: float

    @property
    def identity_key(self) -> IdentityPublicKey:
        """The person's public identity."""
        return self.certificate.identity

    @property
    def identity(self) -> IdentityKeyPair:
        """The person's identity, to sign with. Raises: PrimaryDeviceOnly."""
        if self.identity_pair is None:
            raise PrimaryDeviceOnly
        return self.identity_pair

    @property
    def local(self) -> LocalDevice:
        """The device as sessions take it."""
        return LocalDevice(self.device_identity, self.certificate, (self.seal,))


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


def create(c: Connection, keys: AccountKeys, devices: DeviceList, server: str, proxy: str | None) -> None:
    """Make the account's row, before the server knows of it."""
    c.execute(
        "INSERT INTO account (only, server, proxy, device_seed, root_seed, identity_seed, device_identity_seed,"
        " device_certificate, device_list, seal_key, seal_signature, bundle_id, created_at)"
        " VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            server,
            proxy,
            keys.device.seed.raw,
            None if keys.root is None else keys.root.raw,
            b"" if keys.identity_pair is None else keys.identity_pair.seed,
            keys.device_identity.seed,
            keys.certificate.encode(),
            devices.encode(),
            keys.seal.to_bytes(),
            keys.seal_signature,
            keys.bundle_id,
            keys.created_at,
        ),
    )


@dataclass(frozen=True, slots=True, repr=False)
class Undevised:
    """An account of the time before devices had keys of their own."""

    identity: IdentityKeyPair
    seal: SealKeyPair
    bundle_id: BundleId


def without_device(c: Connection) -> Undevised | None:
    """The account's keys, if its device has none of its own yet; see `adopt_device`."""
    row = c.execute(
        "SELECT identity_seed, seal_key, bundle_id FROM account WHERE device_identity_seed IS NULL"
    ).fetchone()
    return None if row is None else Undevised(IdentityKeyPair(row[0]), SealKeyPair.from_bytes(row[1]), BundleId(row[2]))


def adopt_device(
    c: Connection,
    key: DeviceIdentityKeyPair,
    certificate: DeviceCertificate,
    devices: DeviceList,
    seal_signature: bytes,
) -> None:
    """Give an account's device its own key."""
    c.execute(
        "UPDATE account SET device_identity_seed = ?, device_certificate = ?, device_list = ?, seal_signature = ?",
        (key.seed, certificate.encode(), devices.encode(), seal_signature),
    )


def keys(c: Connection) -> AccountKeys | None:
    """The account's keys; None before `create`."""
    row = c.execute(
        "SELECT device_seed, root_seed, identity_seed, device_identity_seed, device_certificate, seal_key,"
        " seal_signature, bundle_id, created_at FROM account"
    ).fetchone()
    if row is None:
        return None
    device, root, identity, device_identity, certificate, seal, signature, bundle_id, created_at = row
    return AccountKeys(
        device=DeviceKey(SigningSeed(device)),
        root=None if root is None else RootSeed(root),
        identity_pair=IdentityKeyPair(identity) if identity else None,
        device_identity=DeviceIdentityKeyPair(device_identity),
        certificate=verified_certificate(certificate),
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


def set_recovery_key_set(c: Connection) -> None:
    """The server knows the key that recovers the account."""
    c.execute("UPDATE account SET recovery_key_set = 1")


def is_recovery_key_set(c: Connection) -> bool:
    """Whether the server knows the key that recovers the account."""
    row = c.execute("SELECT recovery_key_set FROM account").fetchone()
    return row is not None and bool(row[0])


def belong_to(c: Connection, keys: AccountKeys, devices: DeviceList, account_id: str, device_id: str) -> None:
    """Make this device one of an account that exists: of the primary that has linked it, or of a recovery phrase."""
    c.execute(
        "UPDATE account SET root_seed = ?, identity_seed = ?, device_certificate = ?, device_list = ?, account_id = ?,"
        " device_id = ?, bundle_published = 0, recovery_key_set = 0",
        (
            None if keys.root is None else keys.root.raw,
            b"" if keys.identity_pair is None else keys.identity_pair.seed,
            keys.certificate.encode(),
            devices.encode(),
            account_id,
            device_id,
        ),
    )


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
