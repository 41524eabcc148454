"""A port of the node: opened, closed, and opened again at the same number, with whatever handler it was given.

Closing drops the connections too, as Qlik's proxy service does when its settings are saved.
"""

import asyncio
from collections.abc import Awaitable, Callable
from ssl import SSLContext

from aiohttp import web

HEAD_LIMIT = 1 << 17  # the node has its own, lower limits and must see what exceeds them
SHUTDOWN_S = 0.5
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Listener:
    """One port; 0 becomes a real number at the first start and stays."""

    def __init__(self, handler: Handler, bind: str, port: int, tls: SSLContext | None, keepalive_s: float) -> None:
        self.port = port
        self._handler, self._bind, self._tls, self._keepalive_s = handler, bind, tls, keepalive_s
        self._server: asyncio.Server | None = None
        self._web: web.Server | None = None
        self._answering: set[asyncio.Task[object]] = set()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{self._bind}:{self.port}"

    async def start(self) -> None:
        if self._server is not None:
            return
        self._web = web.Server(
            self._answer,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=self._keepalive_s,
            lingering_time=0,  # the pipeline reads unread bodies away itself, where it hears of a lost connection
            max_line_size=HEAD_LIMIT,
            max_field_size=HEAD_LIMIT,
            max_headers=2000,
        )
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._web, self._bind, self.port, ssl=self._tls, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        task = asyncio.current_task()
        if task is not None:
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)
        return await self._handler(request)

    async def stop(self) -> None:
        """Refuse and drop everything."""
        server, answering = self._server, self._web
        self._server = self._web = None
        if server is None or answering is None:
            return
        server.close()
        for connection in answering.connections:
            if connection.transport is not None:
                connection.transport.abort()
        await asyncio.sleep(0)
        for task in list(self._answering):  # aiohttp no longer knows them once their connections are lost
            task.cancel()
        await answering.shutdown(SHUTDOWN_S)
        await server.wait_closed()
