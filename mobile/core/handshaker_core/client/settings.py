"""What a person may set. Kept in the store as JSON values by name; a missing one has its default."""

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from handshaker_core.client.errors import InvalidSetting
from handshaker_core.store import settings as stored
from handshaker_core.store.connection import Connection

LONGEST_RECEIPT_DELAY = 3_600.0


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings.

    Attributes:
        receipt_delay: shortest and longest time that receipts wait to be sent together, in seconds. Longer ones tell
            contacts less about when this device is on.
        delivery_receipts: whether contacts learn that their messages have arrived.
        read_receipts: whether contacts learn that their messages were read.
    """

    receipt_delay: tuple[float, float] = (1.0, 3.0)
    delivery_receipts: bool = True
    read_receipts: bool = True

    def changed(self, changes: dict[str, Any]) -> "Settings":
        """The settings with some of them replaced.

        Raises:
            InvalidSetting: an unknown name or an impossible value.
        """
        unknown = changes.keys() - asdict(self).keys()
        if unknown:
            raise InvalidSetting(f"There is no setting {min(unknown)}; there are {', '.join(asdict(self))}.")
        for name in ("delivery_receipts", "read_receipts"):
            if not isinstance(changes.get(name, True), bool):
                raise InvalidSetting(f"The setting {name} is true or false.")
        if "receipt_delay" in changes:
            changes = {**changes, "receipt_delay": _delay(changes["receipt_delay"])}
        return replace(self, **changes)


def _delay(value: Any) -> tuple[float, float]:
    match value:
        case [int() | float() as shortest, int() | float() as longest] if (
            0 <= shortest <= longest <= LONGEST_RECEIPT_DELAY
        ):
            return float(shortest), float(longest)
    raise InvalidSetting("The setting receipt_delay is two numbers of seconds from 0 to 3,600, the smaller one first.")


def load(c: Connection) -> Settings:
    """The settings of a store. What a newer client has set and this one does not know is left alone."""
    found = {name: stored.get(c, name) for name in asdict(Settings())}
    return Settings().changed({name: json.loads(value) for name, value in found.items() if value is not None})


def save(c: Connection, settings: Settings) -> None:
    """Keep the settings."""
    for name, value in asdict(settings).items():
        stored.put(c, name, json.dumps(value))
