"""Ports that several workers listen on together, and nobody else: SO_REUSEPORT lets any process of the same user join.

So the parent of the workers takes each port for itself alone first, lets its workers join afterwards, and keeps it for
as long as it lives: another qproxy finds the port in use. Nothing here listens.
"""

import contextlib
import errno
import os
import socket
import sys

from qproxy.config.fields import Address


def can_be_shared() -> bool:
    """Elsewhere the option exists, but does not spread connections evenly, or does not exist."""
    return sys.platform == "linux"


def hold(address: Address, held: contextlib.ExitStack) -> Address:
    """Take it until `held` is closed; with port 0 it is the one that the system chose. Raises OSError with the address
    in its text."""
    port = address.port
    found = socket.getaddrinfo(address.host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    for family, kind, proto, _, place in dict.fromkeys(found):
        sock = held.enter_context(contextlib.closing(socket.socket(family, kind, proto)))
        try:
            _take(sock, (place[0], port, *place[2:]))
        except OSError as error:
            raise OSError(error.errno, f"{address}: {os.strerror(error.errno or errno.EADDRINUSE)}") from error
        port = int(sock.getsockname()[1])
    return Address(address.host, port)


def _take(sock: socket.socket, place: tuple[object, ...]) -> None:
    """Bound while it could not be shared, made so that others of this user may join only afterwards. SO_REUSEADDR is
    for connections of an earlier qproxy that have not quite ended, and taken back at once: while it is there, a second
    parent could bind, too."""
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(place)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    if sys.platform != "win32":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
