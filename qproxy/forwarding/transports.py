"""Which transports carry TLS: aiofastnet's where it is installed (the extra `speed`), the event loop's own otherwise.

Both keep one contract, so nobody else needs to know which it is. Plain TCP is always the loop's own. What the bytes
mean is not known here.
"""

import asyncio
import contextlib
import errno
import importlib
import socket
import ssl
import sys
import tempfile
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final, TypeVar

Made = TypeVar("Made", bound=asyncio.Protocol)

BACKLOG: Final = 4096
AT_ONCE: Final = 64
"""Connections accepted in one turn of the loop: a crowd must not hold up those who are connected."""
ACCEPT_PAUSE = 1.0
NO_ROOM: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
INCOMING: Final = 65536
OUTGOING: Final = 131072
"""Bytes of TLS records read, and written, at once. Each connection keeps a buffer for either, of which only what was
used is memory. An answer of 100 KB goes out in one piece; twice as much for reading makes a message of 1 MB 15 %
cheaper and the socket that carried it twice as large."""
SIZES: Final = {"ssl_incoming_bio_size": INCOMING, "ssl_outgoing_bio_size": OUTGOING}


def _installed() -> ModuleType | None:
    """aiofastnet, where it can work. On Windows nobody has tried; it needs an OpenSSL outside of Python itself, and,
    towards Qlik, a folder for temporary files, through which it reads certificates (1.2.0)."""
    if sys.platform == "win32":
        return None
    else:
        try:
            tempfile.gettempdir()
            found = importlib.import_module("aiofastnet")
            importlib.import_module("aiofastnet.ssl_transport")
            return found if found.OPENSSL_DYN_LIBS is not None else None
        except (ImportError, FileNotFoundError):
            return None


fast = _installed()


@dataclass(frozen=True, slots=True)
class Tls:
    """What a listening port needs. `handshake` and `goodbye`: seconds that either may take."""

    context: ssl.SSLContext
    handshake: float
    goodbye: float


class Port:
    """A listening port, in one or more address families. `close`: accept no more."""

    number: int

    def __init__(self, server: "asyncio.Server | Acceptor") -> None:
        self._server = server
        sock: Any = server.sockets[0]
        self.number = int(sock.getsockname()[1])

    def close(self) -> None:
        self._server.close()


async def listen(
    make: Callable[[], asyncio.Protocol], host: str, port: int, tls: Tls | None, together: bool = False
) -> Port:
    """`together`: with the other workers, which listen on the same port. Raises OSError."""
    loop = asyncio.get_running_loop()
    if tls is not None and fast is not None:
        return Port(Acceptor(make, await _bind(host, port, together), tls, fast))
    server = await loop.create_server(
        make,
        host,
        port,
        ssl=tls.context if tls else None,
        backlog=BACKLOG,
        reuse_address=True,
        reuse_port=together or None,
        ssl_handshake_timeout=tls.handshake if tls else None,
        ssl_shutdown_timeout=tls.goodbye if tls else None,
    )
    return Port(server)


async def connect(make: Callable[[], Made], host: str, port: int, tls: ssl.SSLContext | None, name: str | None) -> Made:
    """A connected protocol; over TLS `name` is what the certificate must carry. Raises OSError, ssl.SSLError."""
    loop = asyncio.get_running_loop()
    if tls is None or fast is None:
        _, protocol = await loop.create_connection(make, host, port, ssl=tls, server_hostname=name if tls else None)
        return protocol
    _hush(loop)
    protocol = make()
    try:
        await fast.create_connection(loop, lambda: protocol, host, port, ssl=tls, server_hostname=name, **SIZES)
    except BaseException:
        _abort(protocol)
        raise
    return protocol


def _abort(protocol: asyncio.Protocol) -> None:
    """Given up in the very moment in which the connection was made: aiofastnet has closed the socket by then, and must
    not go on to watch a descriptor that the next connection gets."""
    transport = getattr(protocol, "transport", None)
    if transport is not None:
        transport.abort()


async def _bind(host: str, port: int, together: bool) -> list[socket.socket]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    with contextlib.ExitStack() as undo:
        sockets = []
        for family, kind, proto, _, address in dict.fromkeys(found):
            sock = undo.enter_context(contextlib.closing(socket.socket(family, kind, proto)))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if together and sys.platform != "win32":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind(address)
            sock.listen(BACKLOG)
            sock.setblocking(False)
            sockets.append(sock)
        undo.pop_all()
    return sockets


class Acceptor:
    """Accepts for aiofastnet. Its own server does not survive that no file descriptor is left (1.2.0), and its way
    through a task makes a resumed connection 10 % dearer."""

    def __init__(
        self, make: Callable[[], asyncio.Protocol], sockets: list[socket.socket], tls: Tls, fast: ModuleType
    ) -> None:
        self.sockets = sockets
        self._make = make
        self._tls = tls
        self._carry = fast.ssl_transport.SSLTransport_Socket
        self._loop = asyncio.get_running_loop()
        self._met: weakref.WeakSet[asyncio.Transport] = weakref.WeakSet()
        self._pauses: dict[socket.socket, asyncio.TimerHandle] = {}
        _hush(self._loop)
        for sock in sockets:
            self._resume(sock)

    def close(self) -> None:
        """Connections whose handshake is under way are cut."""
        for pause in self._pauses.values():
            pause.cancel()
        while self.sockets:
            sock = self.sockets.pop()
            self._loop.remove_reader(sock)
            sock.close()
        for transport in list(self._met):
            if transport.get_extra_info("cipher") is None:
                transport.abort()

    def _resume(self, sock: socket.socket) -> None:
        self._pauses.pop(sock, None)
        self._loop.add_reader(sock, self._accept, sock)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(AT_ONCE):
            try:
                sock, _address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in NO_ROOM:
                    raise
                self._loop.remove_reader(listening)
                self._pauses[listening] = self._loop.call_later(ACCEPT_PAUSE, self._resume, listening)
                return
            self._greet(sock)

    def _greet(self, sock: socket.socket) -> None:
        """Begin the handshake. Whoever does not finish it is a scanner, or a browser that left."""
        sock.setblocking(False)
        tls = self._tls
        try:
            transport = self._carry(
                self._loop, self._make(), tls.context, True, tls.handshake, tls.goodbye, INCOMING, OUTGOING, sock
            )
        except BaseException as error:
            sock.close()  # a transport that was not made owns nothing
            if not isinstance(error, OSError):
                raise
        else:
            self._met.add(transport)


class Hushed:
    """The loop's exception handler, without one report: aiofastnet 1.2.0 takes it for an error of the loop that someone
    left during the handshake, and gives the class ConnectionResetError where an exception belongs."""

    def __init__(self, before: Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object] | None) -> None:
        self._before = before

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if context.get("exception") is ConnectionResetError:
            return
        if self._before is not None:
            self._before(loop, context)
        else:
            loop.default_exception_handler(context)


def _hush(loop: asyncio.AbstractEventLoop) -> None:
    before = loop.get_exception_handler()
    if not isinstance(before, Hushed):
        loop.set_exception_handler(Hushed(before))
