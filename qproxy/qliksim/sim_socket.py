"""One WebSocket as the node's side sees it: raw pings, closing with a chosen code, or dropping the line.

Nothing here knows Qlik's frames. A PING from the client is never answered unless a test wants it and, as with
the real proxy service, spoils the next message.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

from aiohttp import WSMsgType, web

from qproxy.qliksim.dropping import drop
from qproxy.qliksim.exchange import Exchange
from qproxy.qliksim.recorded import Entry

CLOSE_S = 5.0


class SimSocket:
    """An accepted socket. `accept` answers the upgrade; the handler must return `response` in the end."""

    def __init__(self, exchange: Exchange, response: web.WebSocketResponse) -> None:
        self.response = response
        self.vp = exchange.place.prefix
        self.session_id = exchange.session.id if exchange.session else None
        self._exchange = exchange
        self._core = exchange.core
        self._poisoned = False
        self._transport = exchange.request.transport

    @classmethod
    async def accept(cls, exchange: Exchange) -> "SimSocket":
        """Answer 101, with the cookie of a session that the upgrade opened."""
        response = web.WebSocketResponse(
            timeout=CLOSE_S,
            autoclose=False,
            autoping=False,
            compress=exchange.core.toggles.deflate,
            max_msg_size=0,
        )
        for name, value in exchange.header_lines():
            response.headers.add(name, value)
        await response.prepare(exchange.request)
        exchange.entry.status = 101
        return cls(exchange, response)

    async def send(self, frame: str | bytes) -> None:
        if isinstance(frame, str):
            await self.response.send_str(frame)
        else:
            await self.response.send_bytes(frame)

    def push(self, frame: str) -> None:
        """Send from outside of the socket's own task; a socket that has gone is no error."""
        self._core.spawn(self._push(frame))

    async def _push(self, frame: str) -> None:
        try:
            await self.send(frame)
        except ConnectionError:
            return

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        """The socket counts to its session, and can be reached from outside, while this lasts; a lost line ends it."""
        holders = [self._core.sockets]
        if self._exchange.session is not None:
            holders.append(self._exchange.session.sockets)
        for holder in holders:
            holder.add(self)
        try:
            yield
        except ConnectionError:
            self._note("gone")
        finally:
            for holder in holders:
                holder.discard(self)

    async def messages(self) -> AsyncIterator[str | bytes]:
        """Each message of the client until the socket is closed; a swallowed one is not yielded."""
        while True:
            message = await self.response.receive()
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                if not self._swallows():
                    yield message.data
            elif message.type is WSMsgType.PING:
                await self._pinged(message.data)
            elif message.type is not WSMsgType.PONG:
                await self._closed(message.type, message.data, message.extra)
                return

    def _swallows(self) -> bool:
        poisoned, self._poisoned = self._poisoned, False
        if poisoned:
            self._note("message swallowed")
        return poisoned

    async def _pinged(self, payload: bytes) -> None:
        self._note("ping")
        self._poisoned = self._core.toggles.ping_poison
        if self._core.toggles.pong:
            await self.response.pong(payload)

    async def _closed(self, kind: WSMsgType, code: object, reason: str | None) -> None:
        if kind is WSMsgType.CLOSE:
            self._note(f"close {code or 1005} {reason or ''}".rstrip())
            await self.response.close(code=int(str(code)) or 1000, message=(reason or "").encode())
        else:
            self._note("gone")

    def _note(self, note: str) -> None:
        entry = Entry("ws", self._exchange.entry.line, self.vp, note=note, time=self._core.clock())
        self._core.journal.add(entry)

    async def end(self, code: int, reason: str = "", notice: str | None = None) -> None:
        """Send a last frame and close; a client that does not take part is dropped after a while."""
        try:
            async with asyncio.timeout(CLOSE_S):
                if notice is not None:
                    await self.send(notice)
                await self.response.close(code=code, message=reason.encode())
        except (ConnectionError, TimeoutError):
            self.abort()

    def abort(self) -> None:
        """Drop the line without a word; clients report 1006."""
        drop(self._transport)
