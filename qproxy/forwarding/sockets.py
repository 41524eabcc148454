"""What the data plane asks of the operating system's sockets, where the systems differ."""

import asyncio
import select
import socket
import struct
import sys
from collections.abc import Callable

KEEPALIVE_IDLE = 30
KEEPALIVE_INTERVAL = 10
KEEPALIVE_COUNT = 3
USER_TIMEOUT_MS = 300_000
"""Of data that nobody acknowledges; longer than a browser may stand still, say in a debugger."""
_LINGER_NOT = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


def watch(transport: asyncio.BaseTransport) -> Callable[[int], object]:
    """What tells (called with 0, by a true value) whether something, data or the end, waits to be read on an open
    connection. Made once a connection, for the call must cost little."""
    descriptor = transport.get_extra_info("socket").fileno()
    if sys.platform == "win32":
        return lambda timeout: select.select([descriptor], [], [], timeout)[0]
    else:  # a type checker skips a branch for another system, but calls code behind it unreachable
        poll = select.poll()
        poll.register(descriptor, select.POLLIN | select.POLLHUP | select.POLLERR)
        return poll.poll


def hung_up(transport: asyncio.BaseTransport) -> bool:
    """Whether the other side has closed or reset a connection that is not being read at present."""
    if sys.platform != "linux":
        return False
    else:
        sock = transport.get_extra_info("socket")
        if sock is None or sock.fileno() < 0:
            return False
        poll = select.poll()
        poll.register(sock.fileno(), select.POLLRDHUP)
        return bool(poll.poll(0))


def unsent(transport: asyncio.Transport) -> int:
    """Bytes that still wait here; less from one look to the next means that the other side reads."""
    size = getattr(transport, "get_local_write_buffer_size", None)  # aiofastnet's: with what is encrypted already
    return int(size()) if size is not None else transport.get_write_buffer_size()


def reset(transport: asyncio.Transport) -> None:
    """End with a reset (RST) instead of a peaceful close (FIN), which could look like the end of a message."""
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    transport.abort()


def keep_alive(transport: asyncio.BaseTransport) -> None:
    """Let TCP find out that the other side vanished: a silent WebSocket has no other sign of life."""
    sock = transport.get_extra_info("socket")
    if sock is None:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", KEEPALIVE_IDLE),
        ("TCP_KEEPINTVL", KEEPALIVE_INTERVAL),
        ("TCP_KEEPCNT", KEEPALIVE_COUNT),
        ("TCP_USER_TIMEOUT", USER_TIMEOUT_MS),
    ):
        option = getattr(socket, name, None)
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
