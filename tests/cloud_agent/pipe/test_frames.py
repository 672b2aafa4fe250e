"""Frames: what one end writes, the other end reads, in whatever pieces it arrives."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_agent.pipe.frames import BUFFER_BYTES, BadFrame, Frame, FrameReader, frame_start

HEADS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3),
)
FRAMES = st.lists(st.tuples(st.integers(0, 255), HEADS, st.binary(max_size=300)), max_size=8)


def fed(reader, data, pieces=()):
    """All frames that these bytes complete, read in pieces of these sizes."""
    frames, data, pieces = [], memoryview(data), list(pieces)
    while data:
        buffer = reader.get_buffer()
        count = min(len(buffer), len(data), pieces.pop() if pieces else len(data))
        buffer[:count] = data[:count]
        frames += reader.buffer_updated(count)
        data = data[count:]
    return frames


def encoded(kind, head, body=b""):
    return frame_start(kind, head, len(body)) + body


@settings(deadline=None, derandomize=True, database=None)
@given(FRAMES, st.lists(st.integers(1, 50), max_size=60))
def test_frames_arrive_whole_and_in_order(frames, pieces):
    data = b"".join(encoded(*frame) for frame in frames)
    assert fed(FrameReader(), data, pieces) == [Frame(*frame) for frame in frames]


@pytest.mark.parametrize("size", [BUFFER_BYTES - 20, BUFFER_BYTES, 3 * BUFFER_BYTES + 1])
def test_a_long_frame_between_short_ones(size):
    body = bytes(range(256)) * (size // 256 + 1)
    data = encoded(1, "a") + encoded(2, "b", body[:size]) + encoded(3, "c")
    frames = fed(FrameReader(), data, [1000] * 10)
    assert [frame.head for frame in frames] == ["a", "b", "c"]
    assert frames[1].body == body[:size]


def test_the_buffer_of_a_long_frame_is_freed():
    reader = FrameReader()
    fed(reader, encoded(1, None, bytes(4 * BUFFER_BYTES)))
    assert len(reader.get_buffer()) == BUFFER_BYTES


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("<I", 2**31),
        struct.pack("<I", 0),
        struct.pack("<IBI", 5, 1, 1),
        struct.pack("<IBI", 6, 1, 2**31) + b"{",
        struct.pack("<IBI", 6, 1, 1) + b"{",
    ],
    ids=["too long", "too short", "no head", "head too long", "not JSON"],
)
def test_bytes_that_are_not_a_frame_are_an_error(data):
    with pytest.raises(BadFrame):
        fed(FrameReader(), data)


@settings(deadline=None, derandomize=True, database=None)
@given(st.binary(max_size=200))
def test_garbage_gives_frames_or_an_error_and_never_hangs(data):
    try:
        fed(FrameReader(), data)
    except BadFrame:
        return
