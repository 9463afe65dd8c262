"""Uses are noted in memory and written down together."""

import pytest
from handshaker_common.uses import Uses


async def test_uses_are_written_once_and_sorted() -> None:
    uses: Uses[bytes] = Uses(most=2)
    written: list[list[bytes]] = []

    async def write(used: list[bytes]) -> None:
        written.append(used)

    uses.add(b"second")
    assert not uses.full
    uses.add(b"first")
    uses.add(b"second")
    assert uses.full
    await uses.write_down(write)
    await uses.write_down(write)
    assert written == [[b"first", b"second"], []]
    assert not uses.full


async def test_what_could_not_be_written_is_kept() -> None:
    uses: Uses[bytes] = Uses()
    written: list[list[bytes]] = []

    async def fail(_used: list[bytes]) -> None:
        raise ConnectionError

    async def write(used: list[bytes]) -> None:
        uses.add(b"during")
        written.append(used)

    uses.add(b"before")
    with pytest.raises(ConnectionError):
        await uses.write_down(fail)
    await uses.write_down(write)
    await uses.write_down(write)
    assert written == [[b"before"], [b"during"]]
