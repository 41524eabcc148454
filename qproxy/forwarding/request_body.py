"""The body of a request on its way through: where it ends, how it is framed, what is held until QPS is connected.

Made only for a request that has a body. It knows no connection and decides nothing.
"""

from typing import Final

from qproxy.forwarding.body import LAST_CHUNK, ChunkReader, chunk
from qproxy.headers import CHUNKED

HELD_BYTES: Final = 65536
"""What is held while no connection to QPS is there yet; beyond it the browser is not read."""


class RequestBody:
    """`take` what arrives, in order; `done` once all of it did."""

    __slots__ = ("_chunks", "_held", "_held_size", "_left", "done")

    def __init__(self, length: int) -> None:
        self._left = length
        self._chunks = ChunkReader() if length == CHUNKED else None
        self._held: list[bytes] = []
        self._held_size = 0
        self.done = False

    def take(self, data: bytes) -> tuple[bytes, int, bytes]:
        """(bytes as QPS gets them, how many of the body they are, what follows the body). Raises BadChunk."""
        if self._chunks is not None:
            return self._take_chunks(data, self._chunks)
        left = self._left - len(data)
        if left > 0:
            self._left = left
            return data, len(data), b""
        self.done = True
        piece = data[: self._left]
        return piece, self._left, data[self._left :]

    def _take_chunks(self, data: bytes, chunks: ChunkReader) -> tuple[bytes, int, bytes]:
        pieces = chunks.feed(data)
        framed = chunk(pieces)
        if chunks.done:
            self.done = True
            framed += LAST_CHUNK
        return framed, sum(map(len, pieces)), chunks.rest

    def hold(self, data: bytes) -> bool:
        """Keep bytes for later; whether that is as much as may be kept."""
        self._held.append(data)
        self._held_size += len(data)
        return self._held_size > HELD_BYTES

    def held(self) -> bytes:
        """What was kept, which it is then no more."""
        data = b"".join(self._held)
        self._held.clear()
        self._held_size = 0
        return data
