"""Drops a TCP connection so that the other side sees a reset, not an orderly end.

asyncio's own `abort` discards what is unsent and then closes politely; without lingering the system sends RST.
"""

import asyncio
import socket
import struct
import sys

LINGER = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


def drop(transport: asyncio.Transport | None) -> None:
    if transport is None:
        return
    line = transport.get_extra_info("socket")
    if line is not None and not transport.is_closing():
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
    transport.abort()
