"""The key that recovers the account, told to the server when the account is made."""

from uuid import UUID

from handshaker_core.client.core import Core
from handshaker_core.client.tokens import Session
from handshaker_core.credentials import RecoveryKey
from handshaker_core.net.device_api import DeviceApi
from handshaker_core.store import accounts


async def register_key(core: Core, session: Session) -> None:
    """Tell the server the key that recovers the account, once; an account without a phrase has none.

    Raises:
        NetworkError.
    """
    root = core.keys.root
    account = await core.store.run(accounts.get)
    if root is None or account is None or account.account_id is None:
        return
    if await core.store.run(accounts.is_recovery_key_set):
        return
    key, account_id = RecoveryKey(root.recovery_auth()), UUID(account.account_id)
    await session.call(lambda token: DeviceApi(core.transport).set_recovery_key(token, key, account_id))
    await core.run(lambda u: accounts.set_recovery_key_set(u.c))
