"""The passive frame reader: it must know each boundary and close code, however the bytes arrive."""

from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qproxy.forwarding.frames import CLOSE, CONTINUATION, TEXT, FrameReader, close_frame, frame, head_length

BINARY, PING, PONG = 0x2, 0x9, 0xA
KEY = b"\x11\x80\xff\x07"


@dataclass(frozen=True)
class Frame:
    opcode: int
    payload: bytes
    fin: bool = True
    masked: bool = False

    @property
    def raw(self) -> bytes:
        size, mask = len(self.payload), 0x80 if self.masked else 0
        first = bytes((self.opcode | (0x80 if self.fin else 0),))
        return first + length_bytes(size, mask) + (KEY + masked(self.payload) if self.masked else self.payload)


def length_bytes(size: int, mask: int) -> bytes:
    if size < 126:
        return bytes((mask | size,))
    if size < 65536:
        return bytes((mask | 126,)) + size.to_bytes(2, "big")
    return bytes((mask | 127,)) + size.to_bytes(8, "big")


def masked(payload: bytes) -> bytes:
    return bytes(byte ^ KEY[at % 4] for at, byte in enumerate(payload))


payloads = st.one_of(
    st.binary(max_size=30), st.sampled_from([125, 126, 127, 300, 65535, 65536]).map(lambda n: b"x" * n)
)


@st.composite
def messages(draw: st.DrawFn) -> list[Frame]:
    """One message, whole or in fragments, control frames between them."""
    mask = draw(st.booleans())
    count = draw(st.integers(1, 4))
    frames = []
    for at in range(count):
        opcode = draw(st.sampled_from([TEXT, BINARY])) if at == 0 else CONTINUATION
        frames.append(Frame(opcode, draw(payloads), at == count - 1, mask))
        if draw(st.booleans()):
            frames.append(Frame(draw(st.sampled_from([PING, PONG])), draw(st.binary(max_size=125)), True, mask))
    return frames


streams = st.lists(messages(), max_size=4).map(lambda parts: [one for part in parts for one in part])


def boundaries(frames: list[Frame]) -> list[int]:
    """The offsets at which a message may begin, 0 among them."""
    places, position, within = [0], 0, False
    for one in frames:
        position += len(one.raw)
        if one.opcode < CLOSE:
            within = not one.fin
        if not within:
            places.append(position)
    return places


def cut(whole: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(whole), *(place % (len(whole) + 1) for place in places)})
    return [whole[start:end] for start, end in pairwise(edges)]


@settings(deadline=None)
@given(streams, st.lists(st.integers(0, 1_000_000), max_size=40))
def test_every_boundary_is_known_however_the_bytes_are_cut(frames: list[Frame], places: list[int]) -> None:
    reader, position, wanted = FrameReader(), 0, boundaries(frames)
    for piece in cut(b"".join(one.raw for one in frames), places):
        offset = reader.feed(piece)
        inside = [place - position for place in wanted if position < place <= position + len(piece)]
        assert offset == (inside[-1] if inside else 0)
        position += len(piece)
        assert reader.boundary == (position in wanted)


@settings(deadline=None)
@given(streams)
def test_byte_by_byte_is_the_same(frames: list[Frame]) -> None:
    whole = b"".join(Frame(one.opcode, one.payload[:130], one.fin, one.masked).raw for one in frames)
    reader, at_once = FrameReader(), FrameReader()
    for byte in whole:
        reader.feed(bytes((byte,)))
    at_once.feed(whole)
    assert (reader.messages, reader.boundary) == (at_once.messages, at_once.boundary)
    assert reader.messages == sum(one.fin for one in frames if one.opcode < CLOSE)


@given(st.integers(0, 65535), st.binary(max_size=123), st.booleans(), st.lists(st.integers(0, 200), max_size=10))
def test_the_close_code_is_read_from_any_cut(code: int, reason: bytes, mask: bool, places: list[int]) -> None:
    reader = FrameReader()
    whole = Frame(TEXT, b"hi", masked=mask).raw + Frame(CLOSE, code.to_bytes(2, "big") + reason, masked=mask).raw
    for piece in cut(whole, places):
        reader.feed(piece)
    assert reader.close_code == code


@pytest.mark.parametrize("payload", [b"", b"\x03"])
@pytest.mark.parametrize("mask", [True, False])
def test_a_close_without_a_code_is_1005(payload: bytes, mask: bool) -> None:
    reader = FrameReader()
    reader.feed(Frame(CLOSE, payload, masked=mask).raw)
    assert reader.close_code == 1005


def test_a_close_between_fragments_is_seen() -> None:
    reader = FrameReader()
    reader.feed(Frame(TEXT, b"a", fin=False).raw + close_frame(4003, "bye"))
    assert (reader.close_code, reader.boundary) == (4003, False)


def test_a_frame_of_64_bit_length_is_followed_without_holding_it() -> None:
    reader = FrameReader()
    reader.feed(bytes((0x82, 127)) + (1 << 40).to_bytes(8, "big"))
    for _ in range(3):
        assert reader.feed(b"x" * 1_000_000) == 0
    assert reader._left == (1 << 40) - 3_000_000
    assert not reader.boundary


@pytest.mark.parametrize(
    ("head", "length"),
    [
        (b"", None),
        (b"\x81", None),
        (b"\x81\x05", 2),
        (b"\x81\x85abcd", 6),
        (b"\x81\x7e\x00", None),
        (b"\x81\x7e\x00\x7f", 4),
    ],
)
def test_the_length_of_a_head(head: bytes, length: int | None) -> None:
    assert head_length(head) == length


@given(st.integers(0, 70_000))
def test_what_we_write_is_one_whole_frame(size: int) -> None:
    reader = FrameReader()
    raw = frame(TEXT, b"x" * size)
    assert (reader.feed(raw), reader.messages, raw) == (len(raw), 1, Frame(TEXT, b"x" * size).raw)


def test_a_long_reason_is_cut_to_what_a_close_frame_holds() -> None:
    assert len(close_frame(1001, "x" * 500)) == 2 + 125


def test_a_reason_is_never_cut_within_a_character() -> None:
    assert close_frame(1001, "x" + "ä" * 100)[4:].decode() == "x" + "ä" * 61
