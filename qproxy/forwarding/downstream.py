"""One browser connection: cuts its bytes into requests, one after the other, and hands own pages over.

Requests that arrive early (pipelining) wait in `_buffer`; beyond a bound the browser is not read any more.
"""

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final, cast

from qproxy.errors import Failure, Refused
from qproxy.forwarding import sockets
from qproxy.forwarding.exchange import Exchange
from qproxy.forwarding.head import HEAD_END, read_request, recall, write_answer
from qproxy.headers import RequestHead
from qproxy.records import Record

if TYPE_CHECKING:
    from qproxy.forwarding.listener import Listener

HELD_BYTES: Final = 65536
MOST_EMPTY_LINES: Final = 8
NEVER: Final = float("inf")
MOST_LINGERS: Final = 10
"""How often the time to linger begins anew, while a browser still sends the body of a request that was answered."""


class Downstream(asyncio.Protocol):
    """States: waiting for a head, in an exchange, handed over to the own pages, lingering before a close."""

    __slots__ = (
        "_buffer", "_empty_lines", "_exchange", "_linger_end", "_lingering", "_own", "_started",
        "_unsent", "closing", "deadline", "listener", "paused", "peer", "transport", "write_paused",
    )  # fmt: skip

    def __init__(self, listener: "Listener") -> None:
        self.listener = listener
        self.peer = ""
        self.write_paused = False
        self.closing = False
        self.deadline = NEVER
        self._buffer = b""
        self._exchange: Exchange | None = None
        self._own: asyncio.Protocol | None = None
        self._empty_lines = 0
        self._lingering = False
        self._linger_end = NEVER
        self.paused = False
        self._unsent = 0
        self._started = 0.0

    # the transport's calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self.peer = peer[0] if peer else ""
        self.deadline = self.listener.loop.time() + self.listener.timeouts.head
        refusal = self.listener.admit(self)
        if refusal is not None:
            self._refuse(refusal, "")
            if self.listener.crowded:
                self.transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._exchange is not None:
            self._exchange.from_browser(data)
        elif self._own is not None:
            self._own.data_received(data)
        elif not self._lingering:
            if self._buffer or self.write_paused or len(data) > self.listener.limits.head_bytes:
                self._buffer += data
                self._advance()
            else:
                self._one_read(data)
        else:
            self.deadline = min(self._linger_end, self.listener.loop.time() + self.listener.timeouts.linger)

    def eof_received(self) -> bool | None:
        if self._own is not None:
            return self._own.eof_received()
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        self.listener.lost(self)
        self._buffer = b""
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.browser_gone()
        own, self._own = self._own, None
        if own is not None:
            own.connection_lost(exc)

    def pause_writing(self) -> None:
        self.write_paused = True
        if self._exchange is not None:
            self._exchange.browser_full(True)
        elif self._own is not None:
            self._own.pause_writing()

    def resume_writing(self) -> None:
        self.write_paused = False
        if self._exchange is not None:
            self._exchange.browser_full(False)
        elif self._own is not None:
            self._own.resume_writing()
        elif not self._lingering:
            self.resume()
            self.listener.loop.call_soon(self._advance)

    # heads

    def _advance(self) -> None:
        """Begin the next request when its head is whole; again, as long as answers come at once and are taken."""
        if self.write_paused and len(self._buffer) > HELD_BYTES:
            self.pause()
        while self._exchange is None and self._buffer and not self._lingering and self._own is None:
            if self.write_paused:
                return
            if not self._started:
                self._started = self.listener.loop.time()
                self.deadline = self._started + self.listener.timeouts.head
            end = self._buffer.find(HEAD_END)
            if self._buffer.startswith(b"\r\n"):
                self._skip_empty_line()
            elif end < 0 or end + 4 > self.listener.limits.head_bytes:
                self._unfinished(end)
                return
            else:
                raw, self._buffer = self._buffer[: end + 4], self._buffer[end + 4 :]
                self._begin(raw)

    def _one_read(self, data: bytes) -> None:
        """Nearly always one read is one request, much like the one before."""
        self._started = self.listener.loop.time()
        try:
            head = recall(data)
        except Refused as refused:
            self._refuse(refused.failure, refused.detail)
            return
        if head is not None:
            self._ask(head)
            return
        self._started = 0.0
        self._buffer = data
        self._advance()

    def _skip_empty_line(self) -> None:
        """A few before a request are forgiven (RFC 9112 section 2.2)."""
        self._buffer = self._buffer[2:]
        self._empty_lines += 1
        if self._empty_lines > MOST_EMPTY_LINES:
            self._refuse(Failure.BAD_REQUEST, "empty lines instead of a request")
        elif not self._buffer:
            self._started = 0.0

    def _unfinished(self, end: int) -> None:
        size = len(self._buffer)
        if end >= 0 or size > self.listener.limits.head_bytes:
            self._refuse(Failure.HEAD_TOO_LARGE, f"{size} bytes")
        elif self._buffer.count(b"\n") != self._buffer.count(b"\r\n"):
            self._refuse(Failure.BAD_REQUEST, "a line ends with a bare LF")

    def _begin(self, raw: bytes) -> None:
        try:
            head = read_request(raw)
        except Refused as refused:
            self._refuse(refused.failure, refused.detail)
            return
        self._ask(head)

    def _ask(self, head: RequestHead) -> None:
        exchange = Exchange(self, head, Record(self.peer, self._started, head))
        self._started = 0.0
        self._empty_lines = 0
        self.deadline = NEVER
        self._exchange = exchange
        exchange.start()
        if head.length and self._exchange is exchange and self._buffer:
            data, self._buffer = self._buffer, b""
            exchange.from_browser(data)

    def _refuse(self, failure: Failure, detail: str) -> None:
        """A head that cannot be trusted: nothing that follows it can be either, so the connection ends."""
        record = Record(self.peer, self._started or self.listener.loop.time(), failure=failure, detail=detail)
        answer = self.listener.conduct.refuse(failure, record)
        record.status = answer.status
        record.ended = self.listener.loop.time()
        self.listener.conduct.finished(record)
        self.write(write_answer(answer, b"GET", close=True))
        self._linger(record.ended)

    # what the exchange asks for

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    def hold(self, data: bytes) -> None:
        """Bytes behind the current request: the next one."""
        self._buffer += data
        if len(self._buffer) > HELD_BYTES:
            self.pause()

    def pause(self) -> None:
        if not self.paused and not self.transport.is_closing():
            self.paused = True
            self.transport.pause_reading()

    def resume(self) -> None:
        if self.paused and not self.transport.is_closing():
            self.paused = False
            self.transport.resume_reading()

    def gone_unseen(self) -> bool:
        """Whether the browser went away while it was not read, so that no event could tell."""
        return self.paused and sockets.hung_up(self.transport)

    def exchange_over(self, now: float, *, close: bool, drained: bool) -> None:
        """The answer is written. Whatever was paused for this request must read again for the next.

        Not `drained`: more of the request, or of what follows it, may still come.
        """
        self._exchange = None
        if self.paused:
            self.resume()
        if close or self.closing or self.transport.is_closing():
            if drained and not self._buffer:
                self._close(now)
            else:
                self._linger(now)
            return
        self.deadline = now + self.listener.timeouts.keep_alive
        if self._buffer:
            self.listener.loop.call_soon(self._advance)

    def _linger(self, now: float) -> None:
        """Read on and throw away for a moment: closing over unread bytes would reset the connection and could
        destroy the answer on its way (RFC 9112 section 9.6)."""
        self._buffer = b""
        if self.transport.is_closing():
            self._close(now)
            return
        self._lingering = True
        self._linger_end = now + MOST_LINGERS * self.listener.timeouts.linger
        self.deadline = now + self.listener.timeouts.linger
        self.resume()
        if self.transport.can_write_eof():
            with suppress(OSError):  # reset in this moment: connection_lost is on its way
                self.transport.write_eof()

    def _close(self, now: float) -> None:
        """Close when all is written; `_too_late` cuts a browser that does not read it."""
        self._lingering = True
        self._buffer = b""
        self.deadline = now + self.listener.timeouts.write_stall
        self._unsent = sockets.unsent(self.transport)
        self.transport.close()

    def hand_over(self, head: bytes, body: bytes) -> None:
        """An own page: from here on aiohttp's handler reads and writes; it closes the connection afterwards."""
        self._exchange = None
        rest, self._buffer = head + body + self._buffer, b""
        self.resume()
        own = self.listener.conduct.own_pages()
        self._own = own
        self.deadline = self.listener.loop.time() + self.listener.timeouts.body_stall
        own.connection_made(self.transport)
        own.data_received(rest)

    def leave(self) -> None:
        """A tunnel took the transport over; only the listener's count still knows this connection."""
        self._exchange = None
        self.listener.tunnelled(self)

    def take_buffer(self) -> bytes:
        data, self._buffer = self._buffer, b""
        return data

    # time and the end

    def check(self, now: float) -> None:
        """Called by the listener's sweep."""
        if self._exchange is not None:
            self._exchange.check(now)
        elif now >= self.deadline:
            self._too_late(now)

    def _too_late(self, now: float) -> None:
        if self._lingering:
            self._still_writing(now)
        elif self._started:
            self._refuse(Failure.HEAD_TIMEOUT, "")
        else:
            self._close(now)

    def _still_writing(self, now: float) -> None:
        """The answer is with the transport: give a slow browser time as long as it reads at all."""
        unsent = sockets.unsent(self.transport)
        if unsent and unsent != self._unsent:
            self._unsent = unsent
            self.deadline = now + self.listener.timeouts.write_stall
        elif self.transport.is_closing():
            self.transport.abort()
        else:
            self._close(now)

    def drain(self) -> None:
        """No further request on this connection; the one that runs may end."""
        self.closing = True
        if self._exchange is None and self._own is None and not self._lingering:
            self._close(self.listener.loop.time())
