"""Where a chunked body ends, and what is in it (RFC 9112 section 7.1).

Pure state machines. llhttp could read chunks too but does not say at which byte a message ended, which is what a
pipelining proxy must know. Strict: bare LF, signs, spaces or overlong sizes are refused. Chunk extensions and
trailers are dropped, within bounds.
"""

import re
from collections.abc import Sequence
from typing import Final

_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?")
_TRAILER_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*")
_LONGEST_LINE: Final = 4096
_MOST_TRAILERS: Final = 64

LAST_CHUNK: Final = b"0\r\n\r\n"

Piece = bytes | memoryview
LARGE: Final = 16384
"""Bytes: what came with a head is passed on as a view, not a copy, when it is this much."""


class BadChunk(Exception):
    """The bytes are not a chunked body; what exactly is wrong, for the log."""


class ChunkReader:
    """Feed it what arrives; it gives the data and says when the body is over and what came after it."""

    __slots__ = ("_left", "_line", "_state", "_trailers", "done", "rest")
    _SIZE, _DATA, _DATA_END, _TRAILER = range(4)

    def __init__(self) -> None:
        self._state = self._SIZE
        self._line = b""
        self._left = 0
        self._trailers = 0
        self.done = False
        self.rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Body data within `data`, in order. Raises BadChunk. After `done`, `rest` holds what followed the body."""
        pieces: list[bytes] = []
        data = self._line + data
        self._line = b""
        position = 0
        while not self.done:
            if self._state == self._DATA:
                piece = data[position : position + self._left]
                if not piece:
                    return pieces
                pieces.append(piece)
                position += len(piece)
                self._left -= len(piece)
                if self._left:
                    return pieces
                self._state = self._DATA_END
            end = data.find(b"\n", position)
            if end < 0:
                self._hold(data[position:])
                return pieces
            self._read_line(data[position : end + 1])
            position = end + 1
        self.rest = data[position:]
        return pieces

    def _hold(self, line: bytes) -> None:
        if len(line) > _LONGEST_LINE:
            raise BadChunk("a chunk or trailer line is too long")
        self._line = line

    def _read_line(self, line: bytes) -> None:
        if not line.endswith(b"\r\n"):
            raise BadChunk("a line ends with a bare LF")
        line = line[:-2]
        if self._state == self._SIZE:
            self._read_size(line)
        elif self._state == self._DATA_END:
            if line:
                raise BadChunk("chunk data goes on after its size")
            self._state = self._SIZE
        else:
            self._read_trailer(line)

    def _read_size(self, line: bytes) -> None:
        match = _SIZE_LINE.fullmatch(line)
        if match is None or len(line) > _LONGEST_LINE:
            raise BadChunk("a chunk size is not a hexadecimal number")
        self._left = int(match[1], 16)
        self._state = self._DATA if self._left else self._TRAILER

    def _read_trailer(self, line: bytes) -> None:
        if not line:
            self.done = True
            return
        self._trailers += 1
        if self._trailers > _MOST_TRAILERS or len(line) > _LONGEST_LINE or _TRAILER_LINE.fullmatch(line) is None:
            raise BadChunk("the trailers are too many or not fields")


def chunk(pieces: Sequence[Piece]) -> bytes:
    """The pieces as one chunk; b"" for no data (an empty chunk would end the body)."""
    size = sum(map(len, pieces))
    return b"".join((b"%x\r\n" % size, *pieces, b"\r\n")) if size else b""
