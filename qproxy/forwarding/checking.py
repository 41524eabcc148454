"""Asks one Qlik node whether it serves: a connection of its own, TLS verified as for people, one small request.

Only looks. What follows from it is the pool's business.
"""

import asyncio
import ssl

from qproxy.forwarding.node import Node, Rules

MOST_HEAD = 4096
NOT_SERVING = frozenset({400, 404})
"""By 400 QPS says that it does not know the host name or the virtual proxy; a 404 is what http.sys answers when QPS is
not there. Any answer of less than 500 else, a redirect to a login too, comes from a QPS that works."""


class Unwell(Exception):
    """The node did not pass, and why. `unreachable`: it was not even connected."""

    def __init__(self, reason: str, unreachable: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.unreachable = unreachable


async def check(node: Node, rules: Rules) -> None:
    """Takes up to twice the configured time: to connect, and to be answered. Raises Unwell."""
    reader, writer = await _connected(node, rules.timeout)
    try:
        async with asyncio.timeout(rules.timeout):
            status = await _ask(reader, writer, rules)
    except TimeoutError:
        raise Unwell(f"no answer in {rules.timeout:g} s") from None
    except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
        raise Unwell(f"no answer: {type(error).__name__}") from None
    finally:
        writer.transport.abort()
    if status >= 500 or status in NOT_SERVING:
        raise Unwell(f"answered {status} to {rules.path}")


async def _connected(node: Node, seconds: float) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    name = (node.server_name or node.host) if node.tls else None
    try:
        async with asyncio.timeout(seconds):
            return await asyncio.open_connection(
                node.host, node.port, ssl=node.tls, server_hostname=name, limit=MOST_HEAD
            )
    except TimeoutError:
        raise Unwell(f"not connected in {seconds:g} s", unreachable=True) from None
    except ssl.SSLError as error:
        raise Unwell(f"TLS: {error.reason or error}") from None
    except OSError as error:
        raise Unwell(error.strerror or str(error) or type(error).__name__, unreachable=True) from None


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, rules: Rules) -> int:
    """The answer's status. Raises ValueError when it is no HTTP."""
    lines = (f"GET {rules.path} HTTP/1.1", f"Host: {rules.host}", "User-Agent: qproxy-health", "Connection: close")
    writer.write("\r\n".join([*lines, "", ""]).encode("ascii"))
    version, _, rest = (await reader.readuntil(b"\r\n")).partition(b" ")
    if not version.startswith(b"HTTP/1."):
        raise ValueError("not HTTP/1")
    return int(rest[:3])
