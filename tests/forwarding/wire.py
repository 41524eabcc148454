"""One TCP connection as a test sees it, from either end: bytes out, strictly framed messages in."""

import asyncio
import contextlib
import socket
import ssl
import struct
from dataclasses import dataclass
from typing import cast

LIMIT = 1 << 20
WITHIN = 10.0


@dataclass
class Message:
    """A request or a response. `start` is the first line, `lines` the header lines as they came."""

    start: bytes
    lines: list[bytes]
    body: bytes = b""

    @property
    def status(self) -> int:
        return int(self.start.split(b" ")[1])

    @property
    def method(self) -> bytes:
        return self.start.split(b" ")[0]

    @property
    def target(self) -> bytes:
        return self.start.split(b" ")[1]

    def named(self, name: bytes) -> bytes | None:
        found = [line.partition(b":")[2].strip() for line in self.lines if line.lower().startswith(name + b":")]
        assert len(found) < 2, f"{name!r} stands twice"
        return found[0] if found else None

    @property
    def chunked(self) -> bool:
        return self.named(b"transfer-encoding") == b"chunked"


class Wire:
    """`IncompleteReadError` from any read: the other side ended too early; `ConnectionResetError`: it broke."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.transport = cast(asyncio.Transport, writer.transport)

    @classmethod
    async def to(cls, port: int, source: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> "Wire":
        """`tls`: the server must prove that it is q.example."""
        name = "q.example" if tls else None
        address = (source, 0)
        made = asyncio.open_connection(
            "127.0.0.1", port, limit=LIMIT, local_addr=address, ssl=tls, server_hostname=name
        )
        return cls(*await made)

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def exactly(self, size: int) -> bytes:
        async with asyncio.timeout(WITHIN):
            return await self.reader.readexactly(size)

    async def rest(self) -> bytes:
        """Everything until the other side has closed."""
        async with asyncio.timeout(WITHIN):
            return await self.reader.read()

    async def was_reset(self) -> bool:
        """How the other side ends: by a reset, or in peace."""
        try:
            await self.rest()
        except (ConnectionResetError, BrokenPipeError):
            return True
        return False

    async def head(self) -> Message:
        async with asyncio.timeout(WITHIN):
            raw = await self.reader.readuntil(b"\r\n\r\n")
        start, *lines = raw[:-4].split(b"\r\n")
        return Message(start, lines)

    async def request(self) -> Message:
        message = await self.head()
        message.body = await self.body(message)
        return message

    async def reply(self, method: bytes = b"GET") -> Message:
        """The next final response; interim ones before it are skipped."""
        message = await self.head()
        while message.status < 200 and message.status != 101:
            message = await self.head()
        bodyless = method == b"HEAD" or message.status in (101, 204, 304)
        if bodyless:
            return message
        if message.chunked or message.named(b"content-length") is not None:
            message.body = await self.body(message)
        else:
            message.body = await self.rest()
        return message

    async def ask(self, request: bytes) -> Message:
        self.send(request)
        return await self.reply(request.split(b" ")[0])

    async def body(self, message: Message) -> bytes:
        if message.chunked:
            assert message.named(b"content-length") is None
            return await self.unchunked()
        return await self.exactly(int(message.named(b"content-length") or 0))

    async def chunk(self) -> bytes:
        """The next chunk's data; b"" for the last one."""
        async with asyncio.timeout(WITHIN):
            size = int((await self.reader.readuntil(b"\r\n"))[:-2], 16)
            data = await self.reader.readexactly(size + 2)
        assert data.endswith(b"\r\n")
        return data[:-2]

    async def unchunked(self) -> bytes:
        pieces = []
        while piece := await self.chunk():
            pieces.append(piece)
        return b"".join(pieces)

    def finish(self) -> None:
        """FIN."""
        self.writer.write_eof()

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        """RST, also when nothing is unread."""
        sock: socket.socket = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    async def gone(self) -> None:
        if not self.transport.is_closing():
            self.reset()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


def get(target: str = "/", *lines: str, method: str = "GET", version: str = "1.1") -> bytes:
    """A request without a body."""
    return "\r\n".join([f"{method} {target} HTTP/{version}", "Host: q.example", *lines, "", ""]).encode()


def post(body: bytes, target: str = "/", *lines: str, method: str = "POST") -> bytes:
    return get(target, f"Content-Length: {len(body)}", *lines, method=method) + body


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece) + b"0\r\n\r\n"


def post_chunked(*pieces: bytes, target: str = "/", method: str = "POST") -> bytes:
    return get(target, "Transfer-Encoding: chunked", method=method) + chunked(*pieces)


def ok(body: bytes = b"ok", *lines: str, status: str = "200 OK") -> bytes:
    """A response with a length."""
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *lines, "", ""])
    return head.encode() + body


def upgrade(target: str = "/app/x", *lines: str) -> bytes:
    return get(
        target, "Connection: keep-alive, Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Origin: https://q.example", *lines,
    )  # fmt: skip


SWITCHED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
"""What `upgrade` asks for (the key and its answer are RFC 6455's own example)."""
