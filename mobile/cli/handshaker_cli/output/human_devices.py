"""Results about devices, as text for people."""

from handshaker_cli.operations.results import Contact, Device, Done, LinkCode, Numbers, Result
from handshaker_cli.output import human
from handshaker_cli.output.drawn import drawn
from handshaker_cli.output.human import bold
from handshaker_cli.output.safe import one_line

_HALF = 3


def render(result: Result) -> str:
    """Any result."""
    match result:
        case LinkCode():
            return (
                f"{drawn(result.code)}\n\nOn your first device, within ten minutes:\n\n"
                f"  handshaker device add {result.code}\n"
            )
        case Numbers():
            return f"This number stands for linking {one_line(result.name)}:  {bold(_spaced(result.number))}"
        case Device():
            return _device(result)
        case Done():
            return result.message
        case Contact() if result.attention is None:
            return f"Noted. You can write to {one_line(result.name)} again."
    return human.render(result)


def _spaced(number: str) -> str:
    return f"{number[:_HALF]} {number[_HALF:]}"


def _device(device: Device) -> str:
    remarks = (["this device"] if device.this else []) + (["primary"] if device.primary else [])
    name = one_line(device.name) or "unnamed"
    since = device.added_at.astimezone().strftime("%Y-%m-%d")
    return f"{device.device}  {name}  since {since}" + (f"  ({', '.join(remarks)})" if remarks else "")
