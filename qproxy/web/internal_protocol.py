"""How a connection to the internal listener is spoken with before anybody can judge who it is.

Whoever reaches the port can open connections: none may be held without a request, and what cannot be read as one is
answered without a word, because aiohttp's own error page names the program and repeats what was sent. Must not decide
who may call (the guard does).
"""

import asyncio
import ssl
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from aiohttp import web

from qproxy.web.own_pages import WithoutBanner

FIRST_REQUEST_SECONDS: Final = 10.0
"""In which a new connection must have sent the head of a request."""
SETTINGS: Final[Mapping[str, Any]] = {
    "max_line_size": 65536,
    "max_field_size": 65536,
    "lingering_time": 2.0,
    "access_log": None,
}
"""QPS sends all attributes of a session in one header, up to 64 KB of them."""


class InternalProtocol(web.RequestHandler):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        asyncio.get_running_loop().call_later(FIRST_REQUEST_SECONDS, self._close_if_silent)

    def _close_if_silent(self) -> None:
        if self._request_count == 0 and self.transport is not None:
            self.transport.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        self.log_exception("Error handling request from %s", request.remote, exc_info=exc)
        response = WithoutBanner(status=status)
        response.force_close()
        return response


async def listen(
    server: web.Server, address: tuple[str, int], tls: ssl.SSLContext | None, logger: Any = None, together: bool = False
) -> asyncio.Server:
    """Serve the application behind `server` on an address, `together` with other workers. Raises OSError."""
    loop = asyncio.get_running_loop()
    door = partial(InternalProtocol, server, loop=loop, logger=logger, **SETTINGS)
    handshake = FIRST_REQUEST_SECONDS if tls is not None else None
    return await loop.create_server(
        door, *address, ssl=tls, ssl_handshake_timeout=handshake, reuse_address=True, reuse_port=together or None
    )
