"""A real qproxy with logins, in front of a Qlik that a test scripts byte by byte."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from a_site import Site, site
from hostile.wire import Connection, Reply, Upstream, ask

COOKIE = "X-Qlik-Session-sales-HTTP"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
SWITCH = (
    f"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {ACCEPT}\r\n\r\n".encode()
)
UPGRADE = ("Connection: Upgrade", "Upgrade: websocket", f"Sec-WebSocket-Key: {KEY}", "Sec-WebSocket-Version: 13")


@dataclass
class Scripted:
    """`heads` are the requests that reached Qlik, whole."""

    site: Site
    upstream: Upstream
    heads: list[bytes]

    @property
    def port(self) -> int:
        return int(self.site.origin.rpartition(":")[2])

    async def login(self, name: str = "ann") -> str:
        """The Cookie field of somebody who has just logged in."""
        person = self.site.browser()
        await self.site.fill_in(person, "/qproxy/login/sales", name)
        return f"Cookie: {COOKIE}={self.site.cookie(person)}"

    async def log_out(self, cookie: str) -> None:
        """By the session module, as Qlik would."""
        url = f"{self.site.internal}/session-module/sales/session/{cookie.rpartition('=')[2]}"
        async with aiohttp.ClientSession() as caller, caller.delete(url) as answer:
            assert answer.status == 200

    def request(self, line: str, *fields: str, body: bytes = b"") -> bytes:
        host = self.site.origin.partition("://")[2]
        length = [f"Content-Length: {len(body)}"] if body else []
        return "\r\n".join([f"{line} HTTP/1.1", f"Host: {host}", *fields, *length, "", ""]).encode("latin-1") + body

    async def ask(self, line: str, *fields: str, body: bytes = b"") -> Reply:
        return await ask(self.port, self.request(line, *fields, body=body), line.partition(" ")[0])

    def arrived(self, name: str) -> list[bytes]:
        """The values of a header in the latest request that reached Qlik."""
        lines = [line.partition(b": ") for line in self.heads[-1].split(b"\r\n")]
        return [value for key, _, value in lines if key.lower() == name.lower().encode()]


class Recording(Upstream):
    def __init__(self) -> None:
        super().__init__()
        self.heads: list[bytes] = []

    def _answer(self, head: bytes, writer: asyncio.StreamWriter) -> None:
        self.heads.append(head)
        super()._answer(head, writer)


@contextlib.asynccontextmanager
async def scripted(directory: Path, **wishes: Any) -> AsyncIterator[Scripted]:
    """The wishes are those of a_site.site; `vp` is one line of YAML more."""
    upstream = Recording()
    listening = await asyncio.start_server(upstream.serve, "127.0.0.1", 0, limit=2**20)
    port = listening.sockets[0].getsockname()[1]
    vp = f"upstreams: http://127.0.0.1:{port}\n{wishes.pop('vp', '')}"
    try:
        async with site(directory, vp=vp, **wishes) as built:
            yield Scripted(built, upstream, upstream.heads)
    finally:
        listening.close()
        for writer in upstream.writers:
            writer.transport.abort()
        await listening.wait_closed()


async def ended(connection: Connection) -> bytes:
    """All that still comes until the connection ends; AssertionError when it does not."""
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(5):
            return await connection.reader.read()
    return b""
