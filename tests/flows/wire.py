"""A client that shows bytes: what a test sends is what goes out, what comes back is kept as it came."""

import asyncio
import contextlib
import os
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass

from a_site import Front
from yarl import URL

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
OPCODES = {1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong"}
WAIT_S = 10.0


@dataclass
class Reply:
    status: int
    lines: list[str]
    body: bytes

    def values(self, name: str) -> list[str]:
        pairs = [line.partition(":") for line in self.lines]
        return [value.strip() for field, _, value in pairs if field.lower() == name.lower()]


@dataclass
class Wire:
    """One connection to the public port."""

    host: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, line: str, *fields: str, body: bytes = b"") -> Reply:
        """`line` is METHOD TARGET; Host and, for a body, Content-Length are added."""
        head = [f"{line} HTTP/1.1", f"Host: {self.host}", *fields]
        if body:
            head.append(f"Content-Length: {len(body)}")
        await self.send("\r\n".join([*head, "", ""]).encode("latin-1") + body)
        return await self.reply(line.partition(" ")[0])

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def reply(self, method: str = "GET") -> Reply:
        async with asyncio.timeout(WAIT_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            status, *lines = head[:-4].split("\r\n")
            answer = Reply(int(status.split()[1]), lines, b"")
            if method != "HEAD":
                answer.body = await self._body(answer)
            return answer

    async def _body(self, answer: Reply) -> bytes:
        if answer.values("Transfer-Encoding"):
            return await self._chunks()
        length = answer.values("Content-Length")
        return await self.reader.readexactly(int(length[0])) if length else b""

    async def _chunks(self) -> bytes:
        pieces = b""
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            pieces += (await self.reader.readexactly(size + 2))[:-2]
        assert await self.reader.readexactly(2) == b"\r\n"
        return pieces

    async def ended(self) -> bytes:
        """What still comes until the other side closes."""
        async with asyncio.timeout(WAIT_S):
            return await self.reader.read()

    async def upgrade(self, target: str, *fields: str) -> Reply:
        asked = ("Connection: keep-alive, Upgrade", "Upgrade: websocket", f"Sec-WebSocket-Key: {KEY}")
        return await self.ask(f"GET {target}", *asked, "Sec-WebSocket-Version: 13", *fields)

    async def send_frame(self, opcode: int, payload: bytes) -> None:
        """A whole masked frame, as a browser sends it (RFC 6455 section 5.2)."""
        size = len(payload)
        length = bytes([0x80 | size]) if size < 126 else bytes([0x80 | 126]) + size.to_bytes(2, "big")
        mask = os.urandom(4)
        masked = bytes(letter ^ mask[place % 4] for place, letter in enumerate(payload))
        await self.send(bytes([0x80 | opcode]) + length + mask + masked)

    async def frame(self) -> tuple[str, bytes]:
        async with asyncio.timeout(WAIT_S):
            first, size = await self.reader.readexactly(2)
            if size > 125:
                size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8), "big")
            return OPCODES[first & 0x0F], await self.reader.readexactly(size)


@contextlib.asynccontextmanager
async def wire(front: Front) -> AsyncIterator[Wire]:
    url = URL(front.origin)
    context: ssl.SSLContext | None = front.certificates.of_client() if front.certificates else None
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", url.port, ssl=context, server_hostname=context and url.host
    )
    try:
        yield Wire(url.authority, reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()
