"""A directory of ours for what real ones cannot be made to do: odd verdicts, half answers, silence, refused StartTLS.

It reads requests with a reader of its own and answers what a test says. It knows nothing of the client's code.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

BIND, SEARCH, EXTENDED = 0x60, 0x63, 0x77
Answer = Callable[["Request"], bytes | None]
"""None: silence. b"": the connection is closed."""


def ber(tag: int, *parts: bytes) -> bytes:
    value = b"".join(parts)
    size = len(value)
    return bytes([tag]) + (bytes([size]) if size < 128 else b"\x84" + size.to_bytes(4, "big")) + value


def read(data: bytes, at: int = 0) -> tuple[int, bytes, int]:
    """Tag, value, and where it ends."""
    size, begin = data[at + 1], at + 2
    if size & 0x80:
        begin, size = begin + (size & 0x7F), int.from_bytes(data[begin : begin + (size & 0x7F)], "big")
    return data[at], data[begin : begin + size], begin + size


@dataclass
class Request:
    number: bytes
    tag: int
    body: bytes

    @property
    def name(self) -> str:
        """Of a bind."""
        _, _, at = read(self.body)
        return read(self.body, at)[1].decode()

    @property
    def password(self) -> str:
        _, _, at = read(self.body)
        _, _, at = read(self.body, at)
        return read(self.body, at)[1].decode()

    def answered(self, operation: bytes, controls: bytes = b"") -> bytes:
        return ber(0x30, ber(0x02, self.number), operation, controls)

    def result(self, code: int = 0, said: str = "", controls: bytes = b"") -> bytes:
        tag = {BIND: 0x61, SEARCH: 0x65, EXTENDED: 0x78}[self.tag]
        return self.answered(ber(tag, ber(0x0A, bytes([code])), ber(4), ber(4, said.encode())), controls)

    def entry(self, dn: str, attributes: Mapping[str, list[bytes]]) -> bytes:
        listed = [
            ber(0x30, ber(4, name.encode()), ber(0x31, *(ber(4, value) for value in values)))
            for name, values in attributes.items()
        ]
        return self.answered(ber(0x64, ber(4, dn.encode()), ber(0x30, *listed)))

    def reference(self, url: str) -> bytes:
        return self.answered(ber(0x73, ber(4, url.encode())))


@dataclass
class FakeDirectory:
    answer: Answer
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    ended: int = 0
    """So many were ended by the other side."""
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"ldap://127.0.0.1:{self.port}"

    @property
    def binds(self) -> list[tuple[str, str]]:
        return [(one.name, one.password) for one in self.requests if one.tag == BIND]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        data = b""
        with contextlib.suppress(ConnectionError):
            while more := await reader.read(65536):
                data += more
                if data[0] != 0x30:
                    break
                while len(data) > 1 and len(data) >= read(data)[2]:
                    data = self._one(data, writer)
        self.ended += 1
        writer.close()

    def _one(self, data: bytes, writer: asyncio.StreamWriter) -> bytes:
        _, inner, end = read(data)
        _, number, at = read(inner)
        request = Request(number, *read(inner, at)[:2])
        self.requests.append(request)
        said = self.answer(request) if request.tag != 0x42 else None
        if said == b"":
            writer.close()
        elif said:
            writer.write(said)
        return data[end:]

    def flood(self, data: bytes) -> None:
        for writer in self._writers:
            writer.write(data)

    def hang_up(self) -> None:
        while self._writers:
            self._writers.pop().close()


@asynccontextmanager
async def fake_directory(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[FakeDirectory]:
    directory = FakeDirectory(answer)
    server = await asyncio.start_server(directory.serve, "127.0.0.1", 0, ssl=tls)
    directory.port = server.sockets[0].getsockname()[1]
    try:
        yield directory
    finally:
        server.close()
        directory.hang_up()
        await server.wait_closed()


def kind(request: Request) -> str:
    return {BIND: "bind", SEARCH: "search", EXTENDED: "extended"}[request.tag]
