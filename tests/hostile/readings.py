"""What aiohttp's own parsers read in a stream of bytes: the compiled one (llhttp) and the one in Python.

Their limits are raised to those of qproxy's heads, so that only the grammar is compared.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from aiohttp import http_parser
from aiohttp.base_protocol import BaseProtocol

ROOM = {"limit": 2**24, "max_line_size": 2**16, "max_field_size": 2**16, "max_headers": 400}
Parser = Any
"""aiohttp's parsers have no type of their own in common."""

REQUESTS: dict[str, Callable[..., Parser]] = {"python": http_parser.HttpRequestParserPy}
RESPONSES: dict[str, Callable[..., Parser]] = {"python": http_parser.HttpResponseParserPy}
if hasattr(http_parser, "HttpRequestParserC"):
    REQUESTS["compiled"] = http_parser.HttpRequestParserC
    RESPONSES["compiled"] = http_parser.HttpResponseParserC
FASTEST = "compiled" if "compiled" in REQUESTS else "python"


@dataclass(frozen=True, slots=True)
class Message:
    """A request or an answer as a parser understood it. `start`: (method, target) or (status, reason).

    `whole`: the body has ended. `chunked` and `upgrade` are the parser's verdicts.
    """

    start: tuple[Any, bytes]
    minor: int
    pairs: tuple[tuple[bytes, bytes], ...]
    body: bytes
    whole: bool
    close: bool
    upgrade: bool
    chunked: bool

    def values(self, name: bytes) -> list[bytes]:
        return [value for known, value in self.pairs if known.lower() == name]


@dataclass(frozen=True, slots=True)
class Reading:
    """The messages, what came after a switch of protocols, and why reading ended before the bytes did (or "")."""

    messages: tuple[Message, ...]
    tail: bytes | None
    error: str


class Reader:
    """One parser on one connection, fed as long as it likes what it gets."""

    def __init__(self, make: Callable[..., Parser], **options: Any) -> None:
        loop = asyncio.get_running_loop()
        self._parser = make(BaseProtocol(loop), loop, **ROOM, auto_decompress=False, **options)
        self._found: list[tuple[Any, Any]] = []
        self.tail: bytes | None = None
        self.error = ""

    def feed(self, data: bytes) -> None:
        if self.tail is not None:
            self.tail += data
            return
        try:
            found, upgraded, tail = self._parser.feed_data(data)
        except Exception as error:  # noqa: BLE001 - a parser may complain in any way
            self.error = f"{type(error).__name__}: {error}"
            return
        self._found.extend(found)
        if upgraded:
            self.tail = bytes(tail)

    def end(self) -> None:
        """The connection has ended, which may be the end of an answer."""
        try:
            self._parser.feed_eof()
        except Exception as error:  # noqa: BLE001 - as above
            self.error = f"{type(error).__name__}: {error}"

    @property
    def whole(self) -> int:
        """How many messages have ended."""
        return sum(payload.is_eof() and payload.exception() is None for _, payload in self._found)

    @property
    def final_whole(self) -> bool:
        """Whether an answer that is not an interim one has ended."""
        return any(found.code >= 200 and payload.is_eof() for found, payload in self._found)

    def messages(self) -> tuple[Message, ...]:
        """All up to now; to be asked once, for bodies are taken out."""
        return tuple(_message(found, payload) for found, payload in self._found)

    def reading(self) -> Reading:
        return Reading(self.messages(), self.tail, self.error)


def _message(found: Any, payload: Any) -> Message:
    if hasattr(found, "method"):
        start = found.method.encode(), found.path.encode("utf-8", "surrogateescape")
    else:
        start = found.code, found.reason.encode("utf-8", "surrogateescape")
    broken = payload.exception() is not None
    return Message(
        start,
        found.version.minor,
        found.raw_headers,
        b"" if broken else payload.read_nowait(),
        not broken and payload.is_eof(),
        bool(found.should_close),
        bool(found.upgrade),
        bool(found.chunked),
    )


def read(make: Callable[..., Parser], pieces: Iterable[bytes], wanted: int) -> Reading:
    """Until as many messages as are `wanted` are whole, or to the end.

    Where a piece is refused before, its bytes are read again one by one: what came before the fault counts.
    """
    reader = Reader(make)
    good: list[bytes] = []
    for piece in pieces:
        reader.feed(piece)
        if reader.whole >= wanted and (reader.error or reader.tail is None):
            break
        if reader.error:
            return _byte_by_byte(make, good, piece)
        good.append(piece)
    return reader.reading()


def _byte_by_byte(make: Callable[..., Parser], good: list[bytes], piece: bytes) -> Reading:
    reader = Reader(make)
    for known in good:
        reader.feed(known)
    for place in range(len(piece)):
        reader.feed(piece[place : place + 1])
        if reader.error:
            break
    return reader.reading()
