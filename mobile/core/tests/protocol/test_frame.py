"""Padding and frames: exact sizes, total functions, the documented capacities."""

import pytest
from handshaker_core.errors import ContentTooLarge, MalformedFrame, PaddingError, UnsupportedVersion
from handshaker_core.protocol.frame import Frame, FrameSize
from handshaker_core.protocol.padding import pad, unpad
from hypothesis import given
from hypothesis import strategies as st


@given(st.binary(max_size=300), st.integers(1, 200))
def test_unpad_of_pad_is_the_identity(content: bytes, room: int) -> None:
    padded = pad(content, len(content) + room)
    assert len(padded) == len(content) + room
    assert unpad(padded) == content


@given(st.binary(max_size=300))
def test_unpad_of_anything_returns_or_raises_padding_error(data: bytes) -> None:
    try:
        content = unpad(data)
    except PaddingError:
        assert not data.rstrip(b"\0").endswith(b"\x80")
    else:
        assert pad(content, len(data)) == data


def test_content_that_looks_like_padding_survives() -> None:
    for content in (b"", b"\x80", b"\x00", b"\x80\x00\x00", b"text\x80\x00"):
        assert unpad(pad(content, 10)) == content


def test_padding_says_how_much_fits() -> None:
    assert pad(b"x" * 15, 16) == b"x" * 15 + b"\x80"
    with pytest.raises(ContentTooLarge) as caught:
        pad(b"x" * 16, 16)
    assert (caught.value.maximum, caught.value.actual) == (15, 16)


@pytest.mark.parametrize("size", FrameSize)
def test_frames_of_both_sizes_survive_encoding(size: FrameSize) -> None:
    frame = Frame(bytes(size - 1))
    assert Frame.decode(frame.encode()) == frame
    assert frame.encode() == b"\x01" + bytes(size - 1)


@pytest.mark.parametrize("size", [0, 1, 2, 2_047, 2_049, 16_383, 16_385, 40_000])
def test_other_sizes_are_refused(size: int) -> None:
    with pytest.raises(MalformedFrame):
        Frame.decode(b"\x01".ljust(size, b"\0")[:size])
    with pytest.raises(MalformedFrame):
        Frame(bytes(max(0, size - 1))).encode()


def test_other_versions_are_refused_beside_a_good_frame() -> None:
    body = bytes(16_383)
    assert Frame.decode(b"\x01" + body).sealed == body
    for version in (0, 2, 255):
        with pytest.raises(UnsupportedVersion):
            Frame.decode(bytes([version]) + body)
