"""A WebSocket after its 101: two transports that give each other every byte as it came.

Nothing is decoded, pinged or re-framed; a side that reads slowly stops the other. Frames are only followed passively,
so that a notification of qproxy's own can be put in where a message may begin, and the log can say who closed.
"""

import asyncio
import base64
import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING, Final, cast

from qproxy.errors import Failure
from qproxy.forwarding import sockets
from qproxy.forwarding.conduct import TunnelOwner
from qproxy.forwarding.frames import TEXT, FrameReader, close_frame, frame
from qproxy.headers import RequestHead, ResponseHead
from qproxy.notices import session_limit
from qproxy.records import Record

if TYPE_CHECKING:
    from qproxy.forwarding.downstream import Downstream
    from qproxy.forwarding.listener import Listener
    from qproxy.forwarding.upstream import Upstream

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
GREETING: Final = 1024
GREETING_READS: Final = 4
"""Of what QPS sends first, so many bytes in so many reads are looked at."""
LOGGED: Final = (b"host", b"user-agent")
END_WAIT: Final = 2.0
"""Seconds that a message in the middle, and then the browser's own close, are waited for when a session ends."""


def accept_key(key: bytes) -> bytes:
    """The Sec-WebSocket-Accept for a Sec-WebSocket-Key (RFC 6455 section 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


def accepts(request: RequestHead, response: ResponseHead) -> bool:
    expected = accept_key(request.named[b"sec-websocket-key"])
    return response.named.get(b"sec-websocket-accept") == expected


class End(asyncio.Protocol):
    """One side of a tunnel: what arrives here is written there, as the two kinds below say."""

    __slots__ = ("_paused", "frames", "other", "transport", "tunnel")

    def __init__(self, tunnel: "Tunnel", transport: asyncio.Transport) -> None:
        self.tunnel = tunnel
        self.transport = transport
        self.frames = FrameReader()
        self.other: asyncio.Transport = transport
        self._paused = False

    def eof_received(self) -> None:
        """Half-closed sockets are no use to a WebSocket: the transport closes, and connection_lost tells the other."""

    def connection_lost(self, exc: Exception | None) -> None:
        self.tunnel.lost(self, exc)

    def pause_writing(self) -> None:
        self.tunnel.side(self).pause()

    def resume_writing(self) -> None:
        self.tunnel.side(self).resume()

    def pause(self) -> None:
        if not self._paused and not self.transport.is_closing():
            self._paused = True
            self.transport.pause_reading()

    def resume(self) -> None:
        if self._paused and not self.transport.is_closing():
            self._paused = False
            self.transport.resume_reading()


class UpstreamEnd(End):
    """QPS's side. While the tunnel is being ended, only what completes a message that has begun still passes."""

    __slots__ = ()

    def data_received(self, data: bytes) -> None:
        boundary = self.frames.feed(data)
        if self.frames.close_code is not None:
            self.tunnel.closing(self)
        if self.tunnel.ending is None:
            self.other.write(data)
        elif not self.tunnel.said:
            self.other.write(data[:boundary] if boundary else data)
            if boundary:
                self.tunnel.say_goodbye()


class GreetingEnd(UpstreamEnd):
    """QPS's side until its first messages have passed: it refuses a person's sixth session in the first one."""

    __slots__ = ("_first", "_reads")

    def __init__(self, tunnel: "Tunnel", transport: asyncio.Transport) -> None:
        super().__init__(tunnel, transport)
        self._first = b""
        self._reads = 0

    def data_received(self, data: bytes) -> None:
        if self._reads < GREETING_READS:
            self._look(data)
        UpstreamEnd.data_received(self, data)

    def _look(self, data: bytes) -> None:
        self._reads += 1
        self._first += data[: GREETING - len(self._first)]
        if session_limit(self._first):
            self.tunnel.record.failure = Failure.SESSION_LIMIT
        if self._reads == GREETING_READS or len(self._first) >= GREETING:
            self._reads = GREETING_READS
            # Not at once: the transport would let go of this object in the middle of its own call, and compiled
            # code does not hold it.
            self.tunnel.listener.loop.call_soon(self.tunnel.greeted)

    def successor(self) -> UpstreamEnd:
        """What takes its place, in the same state."""
        end = UpstreamEnd(self.tunnel, self.transport)
        end.frames, end.other, end._paused = self.frames, self.other, self._paused
        return end


class BrowserEnd(End):
    """The browser's side. While the tunnel is being ended, what still comes from there is not passed on."""

    __slots__ = ()

    def data_received(self, data: bytes) -> None:
        messages = self.frames.messages
        self.frames.feed(data)
        if self.frames.messages != messages:
            self.tunnel.owner.heard()
        if self.frames.close_code is not None:
            self.tunnel.closing(self)
        if self.tunnel.ending is None:
            self.other.write(data)
        elif self.tunnel.said and self.frames.close_code is not None:
            self.transport.close()


class Tunnel:
    """A live socket. `end` is how a session's end, or a stop of qproxy, reaches it."""

    __slots__ = (
        "_idle_at", "_idle_messages", "_lost", "_timer", "browser", "ending", "listener", "owner", "peer",
        "record", "said", "upstream",
    )  # fmt: skip

    def __init__(self, downstream: "Downstream", upstream: "Upstream", owner: TunnelOwner, record: Record) -> None:
        self.listener: Listener = downstream.listener
        self.peer = downstream.peer
        self.record = record
        self.browser = BrowserEnd(self, downstream.transport)
        self.upstream: UpstreamEnd = GreetingEnd(self, upstream.transport)
        self.browser.other = upstream.transport
        self.upstream.other = downstream.transport
        self.ending: tuple[bytes, int, str] | None = None
        self.said = False
        self.owner = owner
        self._timer: asyncio.TimerHandle | None = None
        self._lost = 0
        self._idle_messages = -1
        self._idle_at = 0.0

    def side(self, end: End) -> End:
        """The end that fills the one whose transport is full."""
        return self.upstream if end is self.browser else self.browser

    def greeted(self) -> None:
        """QPS's first messages have come: from now on nobody looks into what it sends."""
        if isinstance(self.upstream, GreetingEnd):
            self.upstream = self.upstream.successor()
            self.upstream.transport.set_protocol(self.upstream)

    def end(self, notice: str, code: int, reason: str = "", by: str = "qproxy", wait: float = END_WAIT) -> None:
        """Tell the browser in Qlik's words (`notice`, a JSON text; "" for none) and close with `code`.

        At the next place where a message may begin; after `wait` seconds by aborting the connection. Harmless when
        the tunnel is ending or gone.
        """
        if self.ending is not None or self._lost:
            return
        self.ending = (frame(TEXT, notice.encode()) if notice else b"", code, reason)
        if not self.record.closed_by:
            self.record.closed_by = by
            self.record.close_code = code
        self._timer = self.listener.loop.call_later(wait, self.abort)
        if self.upstream.frames.boundary:
            self.say_goodbye()

    def say_goodbye(self) -> None:
        if self.ending is None or self.said:
            return
        self.said = True
        notice, code, reason = self.ending
        self.browser.resume()
        if self.upstream.frames.close_code is None:
            self.browser.transport.write(notice + close_frame(code, reason))
        if self.browser.frames.close_code is not None:
            self.browser.transport.close()
        self.upstream.transport.close()

    def abort(self) -> None:
        self.browser.transport.abort()
        self.upstream.transport.abort()

    def closing(self, end: End) -> None:
        """A side has sent its close frame; the first one is who closed."""
        if not self.record.closed_by:
            self.record.closed_by = self._name(end)
            self.record.close_code = end.frames.close_code

    def _name(self, end: End) -> str:
        return "browser" if end is self.browser else "upstream"

    def lost(self, end: End, exc: Exception | None) -> None:
        self._lost += 1
        if self._lost == 1:
            self._first_lost(end, exc)
        if self._lost == 2:
            self._both_lost()

    def _first_lost(self, end: End, exc: Exception | None) -> None:
        self.owner.closed(self)
        other = self.browser if end is self.upstream else self.upstream
        if not self.record.closed_by:
            self.record.closed_by = self._name(end)
        if end is self.upstream and self.said:
            return
        if exc is not None:
            sockets.reset(other.transport)
            return
        other.transport.close()
        if self._timer is None:
            self._timer = self.listener.loop.call_later(self.listener.timeouts.write_stall, self.abort)

    def _both_lost(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.record.close_code is None:
            self.record.close_code = 1006
        self.record.ended = self.listener.loop.time()
        self.listener.tunnel_over(self)

    def check(self, now: float, limit: float) -> None:
        """Called by the sweep when sockets may be silent for `limit` seconds only."""
        messages = self.browser.frames.messages + self.upstream.frames.messages
        if messages != self._idle_messages:
            self._idle_messages, self._idle_at = messages, now
        elif now - self._idle_at >= limit:
            self.end("", 1001, "idle")


def _slim(record: Record) -> None:
    """Keep of the request's head only what the log will tell: a socket may be open for days."""
    head = record.head
    if head is not None:
        head.cookie = head.crossing = head.path = b""
        head.named = _logged(*map(head.named.get, LOGGED))


@lru_cache(maxsize=256)
def _logged(*values: bytes | None) -> dict[bytes, bytes]:
    """The fields of that many tunnels are the same."""
    return {name: value for name, value in zip(LOGGED, values, strict=True) if value is not None}


def join(
    downstream: "Downstream", upstream: "Upstream", owner: TunnelOwner, record: Record, answer: tuple[bytes, bytes]
) -> Tunnel:
    """`answer` is the 101's head for the browser and what QPS sent right behind its own."""
    tunnel = Tunnel(downstream, upstream, owner, record)
    _slim(record)
    head, rest = answer
    browser, early = downstream.transport, downstream.take_buffer()
    downstream.resume()
    upstream.become(tunnel.upstream)
    downstream.leave()
    browser.set_protocol(tunnel.browser)
    for transport in (browser, upstream.transport):
        sockets.keep_alive(transport)
    browser.write(head)
    owner.opened(tunnel)
    tunnel.listener.tunnel_open(tunnel)
    if rest:
        tunnel.upstream.data_received(rest)
    if early:
        tunnel.browser.data_received(early)
    if downstream.write_paused:
        cast(End, tunnel.upstream).pause()
    return tunnel
