"""One connection to a Qlik node: reads answers and gives them, piece by piece, to the exchange that holds it."""

import asyncio
from typing import TYPE_CHECKING, Final, cast

from qproxy.errors import Failure, Refused
from qproxy.forwarding import sockets
from qproxy.forwarding.body import LARGE, BadChunk, ChunkReader, Piece
from qproxy.forwarding.head import HEAD_END
from qproxy.forwarding.response import RESPONSE_HEAD_BYTES, read_response
from qproxy.headers import CHUNKED, UNTIL_CLOSE, ResponseHead

if TYPE_CHECKING:
    from qproxy.forwarding.exchange import Exchange
    from qproxy.forwarding.node_pool import NodePool

MOST_INTERIM: Final = 10
"""1xx answers to one request before QPS is not believed any more."""
UNWELL: Final = frozenset({502, 503, 504})
"""Answers by which a node, or what stands before it, says that it cannot serve now."""


class Upstream(asyncio.Protocol):
    """Held by one exchange at a time (`exchange`), or resting in its pool."""

    __slots__ = (
        "_buffer", "_chunks", "_gone", "_head", "_interim", "_left", "_reading_paused", "_waits",
        "again", "counted", "exchange", "node", "pool", "rested_since", "transport", "used", "write_paused",
    )  # fmt: skip

    def __init__(self, pool: "NodePool", node: str) -> None:
        self.pool = pool
        self.node = node
        self.again = False
        """Whether it was opened to repeat a request, which happens once."""
        self.exchange: Exchange | None = None
        self.counted = False
        """Whether the pool counts this connection (an attempt that was given up is not counted)."""
        self.rested_since = 0.0
        self.used = False
        self.write_paused = False
        self._reading_paused = False
        self._gone = False
        self._buffer = b""
        self._head: ResponseHead | None = None
        self._left = 0
        self._interim = 0
        self._chunks: ChunkReader | None = None

    @property
    def ready(self) -> bool:
        """Whether it may carry a request: open, not full, and with nothing to be read, neither the end nor bytes that
        would pass for the next answer."""
        return not (self._gone or self.write_paused or self.transport.is_closing() or self._waits(0))

    @property
    def unwell(self) -> bool:
        """Whether its last answer was one that speaks against the node."""
        return self._head is not None and self._head.status in UNWELL

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._waits = sockets.watch(transport)

    def hold(self, exchange: "Exchange") -> None:
        self.exchange = exchange
        self._head = None
        self._interim = 0

    def release(self, *, clean: bool, now: float) -> None:
        """The exchange is over. Not `clean`: something is left over or unknown, so the connection is closed."""
        self.exchange = None
        self.used = True
        if clean and not (self._buffer or self._gone or self.write_paused or self.transport.is_closing()):
            if self._reading_paused:
                self.resume_reading()
            self.pool.give_back(self, now)
        else:
            self.abort()

    def data_received(self, data: bytes) -> None:
        exchange = self.exchange
        if exchange is None:
            self.pool.forget(self)
            self.abort()
        elif self._head is None:
            self._read_head(self._buffer + data if self._buffer else data, exchange)
        else:
            self._read_body(data, exchange)

    def _read_head(self, data: bytes, exchange: "Exchange") -> None:
        end = data.find(HEAD_END)
        if end < 0 or end > RESPONSE_HEAD_BYTES:
            self._buffer = data
            if len(data) > RESPONSE_HEAD_BYTES:
                exchange.fail(Failure.UPSTREAM_BAD_ANSWER, "the head is too long")
            elif data.count(b"\n") != data.count(b"\r\n"):
                exchange.fail(Failure.UPSTREAM_BAD_ANSWER, "a line ends with a bare LF")
            return
        self._buffer = b""
        end += len(HEAD_END)
        try:
            head = read_response(data[:end], exchange.head.method)
            self._take_head(head, data[end:] if len(data) < LARGE else memoryview(data)[end:], exchange)
        except Refused as refused:
            exchange.fail(refused.failure, refused.detail)

    def _take_head(self, head: ResponseHead, rest: Piece, exchange: "Exchange") -> None:
        if head.status < 200:
            if head.status == 101:
                exchange.switch(head, bytes(rest))
                return
            self._interim += 1
            if self._interim > MOST_INTERIM:
                raise Refused(Failure.UPSTREAM_BAD_ANSWER, "too many interim answers")
            exchange.interim(head)
            if rest:
                self._read_head(bytes(rest), exchange)
            return
        self._head = head
        if head.status in UNWELL:
            self.pool.failed(f"answered {head.status}")
        self._left = length = head.length
        self._chunks = ChunkReader() if length == CHUNKED else None
        if not exchange.answered(head):
            return
        if length == len(rest):
            exchange.ended(rest)
        else:
            self._read_body(rest, exchange)

    def _read_body(self, data: Piece, exchange: "Exchange") -> None:
        if self._chunks is not None:
            self._read_chunks(bytes(data), self._chunks, exchange)
            return
        left = self._left
        if left == UNTIL_CLOSE:
            exchange.relay(data)
            return
        if len(data) > left:
            self._buffer = bytes(data[left:])
            data = data[:left]
        self._left = left = left - len(data)
        if left:
            exchange.relay(data)
        else:
            exchange.ended(data)

    def _read_chunks(self, data: bytes, chunks: ChunkReader, exchange: "Exchange") -> None:
        try:
            pieces = chunks.feed(data)
        except BadChunk as error:
            exchange.fail(Failure.UPSTREAM_BAD_ANSWER, str(error))
            return
        piece = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if chunks.done:
            self._buffer = chunks.rest
            exchange.ended(piece)
        else:
            exchange.relay(piece)

    def eof_received(self) -> None:
        """QPS closes: whatever that means is decided in connection_lost."""

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone = True
        self.pool.forget(self)
        self._uncount()
        exchange = self.exchange
        if exchange is None:
            return
        self.exchange = None
        if exc is None and self._head is not None and self._left == UNTIL_CLOSE:
            exchange.ended(b"")
        else:
            exchange.lost(nothing_came=self._head is None and not self._buffer and not self._interim)

    def pause_writing(self) -> None:
        self.write_paused = True
        if self.exchange is not None:
            self.exchange.upstream_full(True)

    def resume_writing(self) -> None:
        self.write_paused = False
        if self.exchange is not None:
            self.exchange.upstream_full(False)

    def pause_reading(self) -> None:
        if not self._reading_paused and not self._gone and not self.transport.is_closing():
            self._reading_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        if self._reading_paused and not self._gone and not self.transport.is_closing():
            self._reading_paused = False
            self.transport.resume_reading()

    def become(self, protocol: asyncio.Protocol) -> None:
        """A tunnel takes the transport over; the pool counts the connection no more."""
        self.exchange = None
        self.resume_reading()
        self.transport.set_protocol(protocol)
        self._uncount()

    def _uncount(self) -> None:
        self.pool.gone(self)
        if self.counted:
            self.counted = False
            self.pool.lost()

    def close(self) -> None:
        self.transport.close()

    def abort(self) -> None:
        self.transport.abort()
