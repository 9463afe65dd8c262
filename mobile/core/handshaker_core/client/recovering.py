"""Surviving the loss of every device: from the 24 words to an account with one device, this one."""

from dataclasses import replace
from functools import partial

from handshaker_core.client import introducing, setup
from handshaker_core.client.core import Core, StepProgress, no_progress
from handshaker_core.client.errors import HomeInUse, RecoveryRefused
from handshaker_core.client.own_devices import next_list, set_own_devices
from handshaker_core.client.tokens import Session
from handshaker_core.client.unit import Unit
from handshaker_core.credentials import RecoveryKey
from handshaker_core.net.device_api import DeviceApi, Recovered
from handshaker_core.net.errors import RefusedByServer
from handshaker_core.protocol.device import DeviceCertificate
from handshaker_core.protocol.root import RootSeed
from handshaker_core.store import accounts, contacts
from handshaker_core.store.accounts import AccountKeys

REFUSED = "refused"


async def recover(core: Core, session: Session, root: RootSeed, progress: StepProgress = no_progress) -> None:
    """Make this device the one and only device of the account that the phrase belongs to.

    All other devices are out: they cannot log in, and contacts are told a list without them. One that is still there, and
    wanted, is linked anew. Contacts who are in the store (from a backup) are told in the background.

    Args:
        core: an open client whose store has no account yet; contacts of a backup may be in it.
        session: its session.
        root: what the phrase spells.
        progress: as `setup.set_up`.

    Raises:
        HomeInUse: the store has an account.
        RecoveryRefused: the server knows none that belongs to the phrase.
        NetworkError.
    """
    account = await core.store.run(accounts.get)
    if account is not None and account.account_id is not None:
        raise HomeInUse
    api, key = DeviceApi(core.transport), RecoveryKey(root.recovery_auth())
    try:
        recovered = await api.recover(key, core.keys.device, remove_others=True)
    except RefusedByServer as error:
        if error.code == REFUSED:
            raise RecoveryRefused from None
        raise
    core.keys = await core.run(partial(_belong, root=root, recovered=recovered))
    await session.keep(recovered.tokens)
    await setup.set_up(core, session, progress)


def _belong(u: Unit, root: RootSeed, recovered: Recovered) -> AccountKeys:
    identity, before = root.identity(), u.keys
    certificate = DeviceCertificate.issue(
        identity,
        device_id=before.certificate.device_id,
        device_key=before.device_identity.public,
        bundle_id=before.bundle_id,
        issued_at=int(u.now),
    )
    keys = replace(before, root=root, identity_pair=identity, certificate=certificate)
    devices = next_list(identity, None, [certificate], u.now)
    accounts.belong_to(u.c, keys, devices, recovered.account_id, recovered.device_id)
    accounts.set_recovery_key_set(u.c)
    u.keys = keys
    if contacts.by_identity(u.c, identity.public) is not None:
        set_own_devices(u, devices)
    introducing.introduce_to_everybody(u)
    return keys
