"""Servers that answer wrongly or late on purpose: what the load program must notice."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""For RFC 6455's own example of a key, which the tests send."""
SIZE = 2000
"""Of each message: its head has 4 bytes more than the two that every frame has."""


@dataclass
class FalseEcho:
    """`spoilt` is the byte of each echo that is not what was sent, `cut` how many bytes it is shorter."""

    port: int = 0
    accept: str = ACCEPT
    spoilt: int | None = None
    cut: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            upgraded = f"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: {self.accept}\r\n\r\n"
            writer.write(upgraded.encode())
            while True:
                await self.echo(reader, writer)
        writer.close()

    async def echo(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readexactly(8)
        mask = head[4:]
        message = bytearray(byte ^ mask[at % 4] for at, byte in enumerate(await reader.readexactly(SIZE)))
        if self.spoilt is not None:
            message[self.spoilt] ^= 1
        kept = SIZE - self.cut
        writer.write(head[:1] + b"\x7e" + kept.to_bytes(2, "big") + message[:kept])


@contextlib.asynccontextmanager
async def false_echo(accept: str = ACCEPT, spoilt: int | None = None, cut: int = 0) -> AsyncIterator[FalseEcho]:
    echo = FalseEcho(accept=accept, spoilt=spoilt, cut=cut)
    async with await asyncio.start_server(echo.serve, "127.0.0.1", 0) as server:
        echo.port = server.sockets[0].getsockname()[1]
        yield echo


@contextlib.asynccontextmanager
async def late_server(first_answer_after: float) -> AsyncIterator[int]:
    """The port of a server that stands still once, before its first answer (seconds)."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789"
    awake = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(b"\r\n\r\n"):
                asyncio.get_running_loop().call_later(first_answer_after, awake.set)
                await awake.wait()
                writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
