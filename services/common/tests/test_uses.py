"""Uses are noted in memory and taken together."""

from handshaker_common.uses import Uses


def test_uses_are_taken_once_and_sorted() -> None:
    uses: Uses[bytes] = Uses(most=2)
    uses.add(b"second")
    assert not uses.full
    uses.add(b"first")
    uses.add(b"second")
    assert uses.full
    assert uses.take() == [b"first", b"second"]
    assert uses.take() == []
    assert not uses.full
