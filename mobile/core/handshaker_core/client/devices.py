"""Several devices of one person, as programs use them: `client.devices`."""

import asyncio
from collections.abc import Callable

from handshaker_core.client import conversations, linking, own_devices, recovering
from handshaker_core.client.core import Core, StepProgress, no_progress
from handshaker_core.client.linking import Compare
from handshaker_core.client.own_devices import OwnDevice
from handshaker_core.client.tokens import Session
from handshaker_core.model import Contact
from handshaker_core.protocol import phrase

_LOOK_SECONDS = 0.1
_QUIET_SECONDS = 1.0
"""What one device tells makes the other one tell something: it is over when nothing came for so long."""


class Devices:
    """What concerns the owner's devices, and changes of contacts' devices."""

    def __init__(self, core: Core, session: Session) -> None:
        self._core = core
        self._session = session

    async def link(
        self, name: str, *, show: Callable[[str], None], compare: Compare, progress: StepProgress = no_progress
    ) -> None:
        """On the new device, whose store has no account: become linked to the primary that reads the code.

        Args:
            name: what the primary is told this device is called.
            show: is given the code; it is good for ten minutes.
            compare: is given the six digits and this device's name; says whether the other device shows the same.
            progress: told (step, share).

        Raises:
            HomeInUse, LinkingError, NetworkError.
        """
        await linking.link(self._core, self._session, name, show=show, compare=compare, progress=progress)

    async def add(self, code: str, *, compare: Compare) -> OwnDevice:
        """On the primary: link the device that shows the code.

        Args:
            code: as its owner gave it.
            compare: is given the six digits and the new device's name; says whether the other device shows the same.

        Raises:
            PrimaryDeviceOnly, NotRegistered, InvalidLinkCode, LinkingError, RefusedByServer, NetworkError.
        """
        device_id = await linking.add(self._core, self._session, code, compare=compare)
        return next(each for each in await self.listed() if each.id == device_id.hex()[:8])

    async def settle(self, seconds: float = 20.0) -> bool:
        """Wait until contacts and own devices are told about each other, as far as they can be now. Needs `run`.

        Returns:
            Whether that came about within the time; what is left is done whenever the client is connected.
        """
        try:
            async with asyncio.timeout(seconds):
                quiet = 0.0
                while quiet < _QUIET_SECONDS:
                    await asyncio.sleep(_LOOK_SECONDS)
                    quiet = quiet + _LOOK_SECONDS if await self._core.run(own_devices.is_settled) else 0.0
        except TimeoutError:
            return False
        return True

    async def listed(self) -> list[OwnDevice]:
        """All own devices, this one first."""
        return await own_devices.listed(self._core)

    async def remove(self, reference: str) -> None:
        """On the primary: remove a linked device, by its name or the start of its id.

        Raises:
            PrimaryDeviceOnly, DeviceUnknown, DeviceNotRemovable, NetworkError.
        """
        await own_devices.remove(self._core, self._session, reference)

    async def recover(self, words: str, progress: StepProgress = no_progress) -> None:
        """In a store without an account: recover the account that these 24 words belong to; see `recovering.recover`.

        Raises:
            InvalidPhrase, HomeInUse, RecoveryRefused, NetworkError.
        """
        await recovering.recover(self._core, self._session, phrase.decode(words), progress)

    async def acknowledge(self, contact: int | str) -> Contact:
        """Note that the owner has looked at what changed about a contact; sending goes on.

        Raises:
            NoSuchContact, AmbiguousContact.
        """
        return await self._core.run(lambda u: conversations.acknowledge(u, conversations.resolve(u, contact).id))
