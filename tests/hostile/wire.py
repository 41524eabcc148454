"""Raw bytes to a live qproxy and back, and an upstream that answers whatever it is told to."""

import asyncio
import contextlib
import re
import textwrap
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from a_site import free_port
from waiting import eventually

from qproxy.config.load import load
from qproxy.server import Server

PATIENCE = 5.0


@dataclass
class Reply:
    """One answer as it came. `whole`: its body ended as its head had promised; `closed`: then the connection ended."""

    status: int
    head: bytes
    body: bytes
    whole: bool
    closed: bool

    def header(self, name: str) -> str | None:
        match = re.search(rb"(?im)^%b:[ \t]*([^\r]*)\r$" % name.encode(), self.head)
        return match[1].decode("latin-1") if match else None


class Connection:
    """A browser that sends what it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, raw: bytes) -> None:
        self.writer.write(raw)

    async def reply(self, method: str = "GET") -> Reply:
        """The next final answer; AssertionError when there is none in time."""
        async with asyncio.timeout(PATIENCE):
            head = b"HTTP/1.1 1"
            while head.startswith(b"HTTP/1.1 1") and not head.startswith(b"HTTP/1.1 101"):
                head = await self._until(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 "), f"no answer but {head!r}"
            body, whole = await self._body(head, method)
        return Reply(int(head[9:12]), head, body, whole, False)

    async def last_reply(self, method: str = "GET") -> Reply:
        """The next answer, after which qproxy must close."""
        reply = await self.reply(method)
        reply.closed = await self.closes()
        return reply

    async def closes(self) -> bool:
        """Whether the connection ends in time with no further byte."""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(PATIENCE):
                return await self.reader.read() == b""
        return True

    async def _until(self, end: bytes) -> bytes:
        try:
            return await self.reader.readuntil(end)
        except asyncio.IncompleteReadError as error:
            return error.partial

    async def _body(self, head: bytes, method: str) -> tuple[bytes, bool]:
        length = re.search(rb"(?im)^content-length: *([0-9]+)\r$", head)
        if method == "HEAD" or head[9:12] in (b"204", b"304"):
            return b"", True
        try:
            if length is not None:
                return await self.reader.readexactly(int(length[1])), True
            if re.search(rb"(?im)^transfer-encoding: chunked\r$", head):
                return await self._chunks(), True
            return await self.reader.read(), True
        except (asyncio.IncompleteReadError, ConnectionError, ValueError):
            return b"", False

    async def _chunks(self) -> bytes:
        body = b""
        while True:
            size = int((await self.reader.readuntil(b"\r\n"))[:-2], 16)
            piece = await self.reader.readexactly(size + 2)
            if not size:
                return body
            body += piece[:-2]


@contextlib.asynccontextmanager
async def connected(port: int) -> AsyncIterator[Connection]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
    try:
        yield Connection(reader, writer)
    finally:
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def ask(port: int, raw: bytes, method: str = "GET") -> Reply:
    """One request on a connection of its own."""
    async with connected(port) as connection:
        connection.send(raw)
        return await connection.reply(method)


Script = Callable[["Upstream", bytes, asyncio.StreamWriter], None]


@dataclass
class Upstream:
    """Answers `script` where there is one for the path, otherwise honestly: a body that names the target."""

    scripts: dict[str, bytes | Script] = field(default_factory=dict)
    seen: list[bytes] = field(default_factory=list)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    port: int = 0
    running: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        self.running += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while not writer.is_closing():
                self._answer(await reader.readuntil(b"\r\n\r\n"), writer)
        writer.close()
        self.running -= 1

    def _answer(self, head: bytes, writer: asyncio.StreamWriter) -> None:
        target = head.split(b" ")[1]
        self.seen.append(target)
        script = self.scripts.get(target.decode())
        if script is None:
            writer.write(honest(target))
        elif callable(script):
            script(self, head, writer)
        else:
            writer.write(script)


def honest(target: bytes) -> bytes:
    body = b"the answer to " + target
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def then_close(answer: bytes) -> Script:
    def script(upstream: Upstream, head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    return script


@dataclass
class Bare:
    """qproxy in front of an Upstream, where everybody is anonymous."""

    server: Server
    upstream: Upstream
    port: int

    async def get(self, path: str, *lines: str) -> Reply:
        return await ask(self.port, self.request(path, *lines))

    def request(self, path: str, *lines: str, method: str = "GET") -> bytes:
        return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: localhost:{self.port}", *lines, "", ""]).encode()


@contextlib.asynccontextmanager
async def bare(directory: Path, extra: str = "", vp: str = "") -> AsyncIterator[Bare]:
    """`extra` and `vp`: further lines of the two configuration files."""
    upstream = Upstream()
    listening = await asyncio.start_server(upstream.serve, "127.0.0.1", 0, limit=2**20)
    upstream.port = listening.sockets[0].getsockname()[1]
    port = free_port()
    _write(directory, port, upstream.port, (extra, vp))
    server = Server(load(directory))
    await server.start()
    try:
        yield Bare(server, upstream, port)
    finally:
        await server.stop()
        listening.close()
        for writer in upstream.writers:
            writer.transport.abort()
        await listening.wait_closed()
        await eventually(lambda: not upstream.running)


def _write(directory: Path, port: int, upstream: int, extra: tuple[str, str]) -> None:
    server = f"""\
        public:
          url: http://localhost:{port}
          listen: 127.0.0.1:{port}
        internal:
          listen: 127.0.0.1:0
        sessions:
          store: memory
        logging:
          access: {directory}/access.log
          audit: {directory}/audit.log
        """
    sales = f"""\
        prefix: sales
        cookie: X-Qlik-Session-sales
        user_directory: SALES
        upstreams: http://127.0.0.1:{upstream}
        internal_names: [qlik1.internal]
        anonymous: always
        """
    (directory / "server.yaml").write_text(textwrap.dedent(server) + textwrap.dedent(extra[0]))
    (directory / "sales.yaml").write_text(textwrap.dedent(sales) + textwrap.dedent(extra[1]))
