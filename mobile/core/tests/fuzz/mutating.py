"""Altered valid inputs, as a Hypothesis strategy: far more of them reach the inner parts of a reader than random bytes do."""

from collections.abc import Sequence

from hypothesis import strategies as st

BOUNDARIES = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF]


@st.composite
def altered(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """One of the seeds after one to four changes, or random bytes."""
    if not seeds or draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=400))
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 4))):
        _alter(draw, data, seeds)
    return bytes(data)


def _alter(draw: st.DrawFn, data: bytearray, seeds: Sequence[bytes]) -> None:
    position = draw(st.integers(0, max(0, len(data) - 1)))
    kind = draw(st.sampled_from(["bit", "byte", "number", "cut", "insert", "remove", "repeat", "splice"]))
    size = draw(st.integers(1, 64))
    match kind:
        case "bit" if data:
            data[position] ^= 1 << draw(st.integers(0, 7))
        case "byte" if data:
            data[position] = draw(st.integers(0, 255))
        case "number":
            width = draw(st.sampled_from([1, 2, 4]))
            data[position : position + width] = (draw(st.sampled_from(BOUNDARIES)) % 256**width).to_bytes(width, "big")
        case "cut":
            del data[position:]
        case "insert":
            data[position:position] = draw(st.binary(min_size=1, max_size=64))
        case "remove":
            del data[position : position + size]
        case "repeat":
            data[position:position] = data[position : position + size]
        case _:
            other = draw(st.sampled_from(seeds))
            data[position:] = other[position : position + draw(st.integers(0, 400))]
