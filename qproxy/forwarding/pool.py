"""The connections to the Qlik nodes of one virtual proxy: opened, kept, handed out, bounded.

A connection goes back only after an exact end with nothing left over. It carries no state of its own: nothing of
one person's exchange is left on it for the next.
"""

import asyncio
import ssl
from collections import deque
from dataclasses import dataclass

from qproxy.errors import Failure, Refused
from qproxy.forwarding import sockets
from qproxy.forwarding.upstream import Upstream

UNSAFE_IDLE = 4.0
"""A request that may not be sent twice takes a pooled connection only when it rested at most this long (seconds)."""


@dataclass(frozen=True, slots=True)
class Node:
    """One Qlik node. `server_name`: the name its certificate must carry; `tls` None: plain http."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    server_name: str | None = None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Pool:
    """`take` gives a resting connection at once, `open` waits for a new one."""

    def __init__(self, nodes: list[Node], *, connections: int = 256, idle: float = 60.0, connect: float = 3.0) -> None:
        self.nodes = nodes
        self._limit = connections * len(nodes)
        self._idle_limit = idle
        self._connect_timeout = connect
        self._resting: list[Upstream] = []
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._preferred = 0
        self.open_count = 0
        self.opened = 0
        self.reused = 0
        self.closed = False

    @property
    def resting(self) -> int:
        return len(self._resting)

    def take(self, *, safe: bool, now: float) -> Upstream | None:
        """The connection that rested shortest, or None. Not `safe`: only one that is surely still open."""
        while self._resting:
            if not safe and now - self._resting[-1].rested_since > UNSAFE_IDLE:
                return None
            upstream = self._resting.pop()
            if upstream.usable and (safe or not sockets.readable(upstream.transport)):
                self.reused += 1
                return upstream
            upstream.close()
        return None

    async def open(self) -> Upstream:
        """A new connection to the first node that accepts one. Raises Refused."""
        while self.open_count >= self._limit:
            await self._turn()
        self.open_count += 1
        try:
            return await self._dial()
        except BaseException:
            self.lost()
            raise

    async def _turn(self) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            async with asyncio.timeout(self._connect_timeout):
                await waiter
        except TimeoutError:
            raise Refused(Failure.UPSTREAM_BUSY, f"{self._limit} connections in use") from None
        if self._resting:
            self._resting.pop(0).close()

    async def _dial(self) -> Upstream:
        refused: Refused | None = None
        for offset in range(len(self.nodes)):
            index = (self._preferred + offset) % len(self.nodes)
            try:
                upstream = await self._dial_node(self.nodes[index])
            except Refused as error:
                refused = error
            else:
                self._preferred = index
                self.opened += 1
                return upstream
        raise refused or Refused(Failure.UPSTREAM_REFUSED, "no node is configured")

    async def _dial_node(self, node: Node) -> Upstream:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_timeout):
                _, upstream = await loop.create_connection(
                    lambda: Upstream(self, str(node)),
                    node.host,
                    node.port,
                    ssl=node.tls,
                    server_hostname=(node.server_name or node.host) if node.tls else None,
                )
                return upstream
        except TimeoutError:
            raise Refused(Failure.UPSTREAM_CONNECT_TIMEOUT, f"{node}: no answer in {self._connect_timeout} s") from None
        except ssl.SSLError as error:
            raise Refused(Failure.UPSTREAM_TLS, f"{node}: {error.reason or error}") from None
        except OSError as error:
            raise Refused(Failure.UPSTREAM_REFUSED, f"{node}: {error.strerror or error}") from None

    def give_back(self, upstream: Upstream, now: float) -> None:
        if self.closed or self._waiting:
            upstream.close()
            return
        upstream.rested_since = now
        self._resting.append(upstream)

    def lost(self) -> None:
        """A connection is gone: the next who waits may open one."""
        self.open_count -= 1
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def forget(self, upstream: Upstream) -> None:
        if upstream in self._resting:
            self._resting.remove(upstream)

    def sweep(self, now: float) -> None:
        """Close what rested longer than the configured time."""
        while self._resting and now - self._resting[0].rested_since > self._idle_limit:
            self._resting.pop(0).close()

    def close(self) -> None:
        self.closed = True
        while self._resting:
            self._resting.pop().close()
