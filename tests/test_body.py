"""Chunked bodies: the data, where they end, and that it does not matter how the bytes arrive."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qproxy.forwarding.body import LAST_CHUNK, BadChunk, ChunkReader, chunk

BAD = [
    b"+3\r\nabc\r\n0\r\n\r\n",
    b" 3\r\nabc\r\n",
    b"3 \r\nabc\r\n",
    b"0x3\r\n",
    b"\r\n",
    b"g\r\n",
    b"1_0\r\n",
    b"3\nabc\r\n",
    b"3\r\nabcd\r\n",
    b"3\r\nabc\n0\r\n\r\n",
    b"3\r\nabc0\r\n",
    b"3\r\nabc\r\r\n",
    b"0\n\r\n",
    b"0\r\n\n",
    b"3;\0\r\n",
    b"3;a\rb\r\n",
    b"1234567890abcdef\r\n",
    b"0\r\nno colon\r\n\r\n",
    b"0\r\n : x\r\n\r\n",
    b"0\r\nX: y\r\n z\r\n\r\n",
    b"0\r\n" + b"X: y\r\n" * 65 + b"\r\n",
    b"3;" + b"a" * 5000,
    b"3;" + b"a" * 5000 + b"\r\n",
    b"0\r\nX: " + b"a" * 5000,
    b"0\r\nX: " + b"a" * 5000 + b"\r\n",
]


def outcome(pieces: list[bytes]) -> tuple[bytes, bool, bytes] | str:
    """(data, done, rest) after all pieces, or "bad"; after the end, what comes is rest."""
    reader = ChunkReader()
    data = rest = b""
    for piece in pieces:
        if reader.done:
            rest += piece
            continue
        try:
            data += b"".join(reader.feed(piece))
        except BadChunk:
            return "bad"
        rest += reader.rest
    return data, reader.done, rest


def cut(whole: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(whole), *(place % (len(whole) + 1) for place in places)})
    return [whole[start:end] for start, end in pairwise(edges)]


bodies = st.lists(st.binary(min_size=1, max_size=40), max_size=6)
extensions = st.sampled_from([b"", b";a", b" ;a=b", b';q="x y"', b"\t;"])
trailers = st.sampled_from([b"", b"X: y\r\n", b"X:\r\nY-Z: \xe9\r\n"])


@settings(deadline=None)
@given(bodies, extensions, trailers, st.binary(max_size=20), st.lists(st.integers(0, 10_000), max_size=30))
def test_any_cut_of_a_body_gives_the_same(
    pieces: list[bytes], extension: bytes, trailer: bytes, behind: bytes, places: list[int]
) -> None:
    chunks = b"".join(b"%X%b\r\n%b\r\n" % (len(piece), extension, piece) for piece in pieces)
    whole = chunks + b"0" + extension + b"\r\n" + trailer + b"\r\n" + behind
    assert outcome(cut(whole, places)) == (b"".join(pieces), True, behind)


@given(
    st.lists(st.sampled_from([b"3", b"\r\n", b"\n", b"\r", b"abc", b"0", b";", b"X: y", b"\0", b" "]), max_size=14),
    st.data(),
)
def test_any_cut_of_any_bytes_gives_the_same_or_the_same_refusal(parts: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(parts)
    places = data.draw(st.lists(st.integers(0, max(1, len(whole))), max_size=20))
    assert outcome(cut(whole, places)) == outcome([whole])


@pytest.mark.parametrize("whole", BAD)
@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_a_body_that_could_be_read_in_two_ways_is_refused(whole: bytes, size: int) -> None:
    assert outcome([whole[at : at + size] for at in range(0, len(whole), size)]) == "bad"


def test_a_body_that_has_not_ended_is_not_done() -> None:
    reader = ChunkReader()
    assert (reader.feed(b"5\r\nab"), reader.done) == ([b"ab"], False)
    assert (reader.feed(b"cde\r\n0\r\n"), reader.done) == ([b"cde"], False)


def test_nothing_is_held_of_a_large_chunk() -> None:
    reader = ChunkReader()
    reader.feed(b"fffffffffffffff\r\n")
    assert b"".join(reader.feed(b"x" * 100_000)) == b"x" * 100_000
    assert reader._line == b""


@given(bodies)
def test_what_we_write_we_read(pieces: list[bytes]) -> None:
    whole = b"".join(chunk([piece]) for piece in pieces) + chunk(pieces) + LAST_CHUNK
    assert outcome([whole]) == (b"".join(pieces) * 2, True, b"")


def test_no_data_makes_no_chunk_because_an_empty_one_would_end_the_body() -> None:
    assert chunk([]) == chunk([b"", b""]) == b""
