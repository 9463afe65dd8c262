"""Operations on own devices, and on changes of contacts' devices."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime

from handshaker_core.client import Client
from handshaker_core.client.own_devices import OwnDevice

from handshaker_cli.operations import results, views
from handshaker_cli.operations.device_arguments import Acknowledge, ListDevices, RemoveDevice
from handshaker_cli.operations.resolve import find_contact
from handshaker_cli.operations.results import Result
from handshaker_cli.operations.watching import flushed


def device(value: OwnDevice) -> results.Device:
    """A device as a result."""
    return results.Device(
        device=value.id,
        name=value.name,
        this=value.this,
        primary=value.primary,
        added_at=datetime.fromtimestamp(value.added_at_ms / 1000, UTC),
    )


async def list_devices(client: Client, _: ListDevices) -> AsyncGenerator[Result, None]:
    """Yields the own devices, this one first. Raises: NotRegistered."""
    await client.whoami()
    for found in await client.devices.listed():
        yield device(found)


async def remove_device(client: Client, arguments: RemoveDevice) -> AsyncGenerator[Result, None]:
    """Yields that it is removed. Raises: PrimaryDeviceOnly, DeviceUnknown, DeviceNotRemovable, NetworkError."""
    await client.devices.remove(arguments.device)
    await client.devices.settle()
    async for notice in flushed(client):
        yield notice
    yield results.Done(
        "device_removed",
        "The device is removed: it cannot log in, read or send any more. Your contact link has changed, too; give people"
        " the new one (handshaker whoami).",
    )


async def acknowledge(client: Client, arguments: Acknowledge) -> AsyncGenerator[Result, None]:
    """Yields the contact. Raises: UnknownContact, AmbiguousContact."""
    contact = find_contact(await client.contacts(include_all=True), arguments.to)
    yield views.contact(await client.devices.acknowledge(contact.id))
