"""One connection to a directory: dialled, encrypted, and asked one thing at a time.

TLS is verified or there is no connection: when StartTLS is refused, answered by somebody else, or followed by bytes
that came before it, nothing is said any more. Every answer has a time limit and a size limit. It must not choose a
server (ldap_servers), judge an answer (ldap.verdicts) or follow referrals.
"""

import asyncio
import contextlib
import ssl
from dataclasses import dataclass
from itertools import count
from typing import Final, cast

from qproxy.ldap import messages
from qproxy.ldap.ber import SEQUENCE, BadBer, head
from qproxy.ldap.messages import Code, Entry, Message, Result, Search
from qproxy.ldap.verdicts import explained

LONGEST_ANSWER: Final = 4_000_000
"""Bytes of all messages that answer one request."""
MOST_REFERENCES: Final = 1000


class Lost(Exception):
    """The connection cannot be used, or any more: what happened, fit for the log."""


class Refused(Exception):
    """The directory answered a search, and that it would not: `result` says how."""

    def __init__(self, result: Result) -> None:
        super().__init__(explained(result))
        self.result = result


@dataclass(frozen=True, slots=True)
class Server:
    """`tls` from the first byte; without it StartTLS where `start_tls`."""

    host: str
    port: int
    tls: bool
    start_tls: bool = False

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'ldaps' if self.tls else 'ldap'}://{host}:{self.port}"


CLOSING: Final = 1.0
"""Seconds that a directory may take to end a connection with us."""


class _Wire(asyncio.Protocol):
    """Collects what comes in; whoever waits is woken."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.lost: str | None = None
        self.gone = asyncio.Event()
        self._news = asyncio.Event()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """What nobody asked for piles up only so far."""
        if len(self.data) + len(data) > LONGEST_ANSWER and self._transport is not None:
            self.lost = f"more than {LONGEST_ANSWER} bytes at once"
            self._transport.abort()
        elif self.lost is None:
            self.data += data
        self._news.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = self.lost or (str(exc) if exc else "the directory closed the connection")
        self._news.set()
        self.gone.set()

    async def message(self) -> bytes:
        """The next whole one. Raises Lost, BadBer."""
        while True:
            end = self._end()
            if end:
                whole = bytes(self.data[:end])
                del self.data[:end]
                return whole
            if self.lost is not None:
                raise Lost(self.lost)
            self._news.clear()
            await self._news.wait()

    def _end(self) -> int:
        found = head(self.data)
        if found is None:
            return 0
        if found[0] != SEQUENCE or found[2] > LONGEST_ANSWER:
            raise BadBer("no LDAP message, or one that is too long")
        return found[2] if len(self.data) >= found[2] else 0


class Connection:
    """`bound_as` is who the directory takes us for: "" before the first bind and after one that was refused."""

    def __init__(self, server: Server, transport: asyncio.Transport, wire: _Wire, limit: float) -> None:
        self.server = server
        self.bound_as = ""
        self.used = False
        self._transport = transport
        self._wire = wire
        self._limit = limit
        self._numbers = count(1)

    @property
    def usable(self) -> bool:
        return self._wire.lost is None and not self._wire.data and not self._transport.is_closing()

    async def bind(self, name: str, password: str) -> Result:
        """Raises Lost, and ValueError for no name or no password: directories call that a success (RFC 4513 5.1)."""
        if not name or not password:
            raise ValueError("a bind without a name or a password proves nothing")
        self.bound_as = ""
        number = next(self._numbers)
        result = await self._one_result(messages.bind(number, name, password), number, messages.BIND_RESPONSE)
        if result.code == Code.SUCCESS:
            self.bound_as = name
        return result

    async def search(self, wanted: Search) -> list[Entry]:
        """At most `wanted.most` and one, so that the caller sees that there are more. Raises Refused, Lost.

        An entry that does not exist has nothing below it. References to other directories are left alone.
        """
        number = next(self._numbers)
        async with self._limited():
            self._transport.write(messages.search(number, wanted))
            entries, result = await self._found(number, wanted.most)
        if result.code not in (Code.SUCCESS, Code.NO_SUCH_OBJECT, Code.SIZE_LIMIT):
            raise Refused(result)
        if result.code == Code.SIZE_LIMIT and len(entries) <= wanted.most:
            raise Refused(result)
        return entries

    async def start_tls(self, context: ssl.SSLContext) -> None:
        number = next(self._numbers)
        result = await self._one_result(messages.start_tls(number), number, messages.EXTENDED_RESPONSE)
        if result.code != Code.SUCCESS:
            raise Lost(f"StartTLS was refused: {explained(result)}")
        if self._wire.data:
            raise Lost("bytes stood before the encryption that began")
        loop = asyncio.get_running_loop()
        async with self._limited():
            made = await loop.start_tls(self._transport, self._wire, context, server_hostname=self.server.host)
        if made is None:
            raise Lost("the connection ended while StartTLS began")
        self._transport = made

    def close(self) -> None:
        if self.usable:
            self._transport.write(messages.unbind(next(self._numbers)))
        self._transport.close()

    async def closed(self) -> None:
        """Close, and wait for it: where the loop ends next, nothing would be left to do it."""
        for end in (self.close, self.abort):
            end()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSING):
                    await self._wire.gone.wait()
                    return

    def abort(self) -> None:
        self._transport.abort()

    async def _one_result(self, request: bytes, number: int, tag: int) -> Result:
        async with self._limited():
            self._transport.write(request)
            message = await self._next(number)
        if message.tag != tag or not isinstance(message.body, Result):
            self.abort()
            raise Lost(f"an answer of another kind than was asked for ({message.tag:#04x})")
        return message.body

    async def _found(self, number: int, most: int) -> tuple[list[Entry], Result]:
        entries: list[Entry] = []
        size = references = 0
        while True:
            before = len(self._wire.data)
            message = await self._next(number)
            size += max(0, before - len(self._wire.data))
            if isinstance(message.body, Entry):
                entries.append(message.body)
            elif message.tag == messages.SEARCH_DONE and isinstance(message.body, Result):
                return entries[: most + 1], message.body
            else:
                references += 1
            if len(entries) > most + 1 or references > MOST_REFERENCES or size > LONGEST_ANSWER:
                raise Lost("the directory sends more than it was asked for")

    async def _next(self, number: int) -> Message:
        message = messages.message(await self._wire.message())
        if message.number == 0:
            said = explained(message.body) if isinstance(message.body, Result) else ""
            raise Lost(f"the directory ends the connection: {said}")
        if message.number != number:
            raise Lost("an answer to what was not asked")
        return message

    def _limited(self) -> "_Limited":
        return _Limited(self, self._limit)


class _Limited:
    """A time limit around one exchange; one that did not end well ends the connection, so that no late answer is taken
    for that to the next request."""

    def __init__(self, connection: Connection, seconds: float) -> None:
        self._connection = connection
        self._seconds = seconds
        self._timeout = asyncio.timeout(seconds)

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is not None:
            self._connection.abort()
        try:
            await self._timeout.__aexit__(kind, error, None)
        except TimeoutError:
            raise Lost(f"no answer within {self._seconds:g} seconds") from None
        if isinstance(error, BadBer | OSError):
            raise Lost(str(error) or type(error).__name__) from None


async def dial(server: Server, context: ssl.SSLContext | None, limit: float) -> Connection:
    """A connection that nobody has logged in on, encrypted as the server wants it. Raises Lost."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(limit):
            tls = context if server.tls else None
            transport, wire = await loop.create_connection(_Wire, server.host, server.port, ssl=tls)
    except TimeoutError:
        raise Lost(f"no connection within {limit:g} seconds") from None
    except (OSError, ValueError) as error:
        raise Lost(str(error) or type(error).__name__) from None
    connection = Connection(server, transport, wire, limit)
    if server.start_tls:
        assert context is not None
        try:
            await connection.start_tls(context)
        except BaseException:
            connection.abort()
            raise
    return connection
