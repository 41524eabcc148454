"""The connections to the Qlik nodes of one virtual proxy: opened, kept, handed out, bounded.

A connection goes back only after an exact end with nothing left over. It carries no state of its own: nothing of
one person's exchange is left on it for the next.
"""

import asyncio
import errno
import ssl
from collections import deque
from dataclasses import dataclass

from qproxy.errors import Failure, Refused
from qproxy.forwarding.transports import connect
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
        self._waiting: deque[asyncio.Future[Upstream | None]] = deque()
        self._preferred = 0
        self.open_count = 0
        self.opened = 0
        self.reused = 0
        self.closed = False

    @property
    def resting(self) -> int:
        return len(self._resting)

    def take(self, *, safe: bool, now: float) -> Upstream | None:
        """The connection that rested shortest, or None. Not `safe`: only one that is as good as surely still open at
        `now`, which only then matters."""
        while self._resting:
            if not safe and now - self._resting[-1].rested_since > UNSAFE_IDLE:
                return None
            upstream = self._resting.pop()
            if upstream.ready:
                self.reused += 1
                return upstream
            upstream.close()
        return None

    async def open(self, *, fresh: bool = False) -> Upstream:
        """A new connection, or, when as many as may be are in use, the next that comes free; `fresh`: surely a new one.

        Raises Refused.
        """
        if self.open_count < self._limit:
            self.open_count += 1
        else:
            free = await self._turn()
            if free is not None and not fresh and free.ready:
                self.reused += 1
                return free
            if free is not None:
                self._replace(free)
        try:
            return await self._dial()
        except BaseException:
            self.lost()
            raise

    async def _turn(self) -> Upstream | None:
        """Wait in the queue for a connection that comes free, or (None) for the place of one that is gone."""
        waiter: asyncio.Future[Upstream | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        if self._resting:
            self._resting.pop(0).abort()
        try:
            async with asyncio.timeout(self._connect_timeout):
                return await waiter
        except BaseException as error:
            self._pass_on(waiter)
            if isinstance(error, TimeoutError):
                raise Refused(Failure.UPSTREAM_BUSY, f"{self._limit} connections in use") from None
            raise

    def _pass_on(self, waiter: "asyncio.Future[Upstream | None]") -> None:
        """Who waited is gone; what it was given in that moment goes to the next."""
        if not waiter.done() or waiter.cancelled():
            waiter.cancel()
        elif (free := waiter.result()) is not None:
            free.abort()
        else:
            self.lost()

    def _replace(self, upstream: Upstream) -> None:
        """Close a connection, and keep its place in the count for a new one."""
        if upstream.counted:
            upstream.counted = False
        else:
            self.open_count += 1
        upstream.abort()

    def _next_waiting(self) -> "asyncio.Future[Upstream | None] | None":
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                return waiter
        return None

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
                upstream.counted = True
                return upstream
        raise refused or Refused(Failure.UPSTREAM_REFUSED, "no node is configured")

    async def _dial_node(self, node: Node) -> Upstream:
        name = node.server_name or node.host
        try:
            async with asyncio.timeout(self._connect_timeout):
                return await connect(lambda: Upstream(self, str(node)), node.host, node.port, node.tls, name)
        except TimeoutError:
            raise Refused(Failure.UPSTREAM_CONNECT_TIMEOUT, f"{node}: no answer in {self._connect_timeout} s") from None
        except ssl.SSLError as error:
            raise Refused(Failure.UPSTREAM_TLS, f"{node}: {error.reason or error}") from None
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                raise Refused(Failure.OVERLOADED, "no file descriptor is left") from None
            why = error.strerror or str(error) or type(error).__name__
            raise Refused(Failure.UPSTREAM_REFUSED, f"{node}: {why}") from None

    def give_back(self, upstream: Upstream, now: float) -> None:
        """A connection whose answer ended exactly: it goes to who waits longest, or rests."""
        if self.closed:
            upstream.close()
        elif self._waiting and (waiter := self._next_waiting()) is not None:
            waiter.set_result(upstream)
        else:
            upstream.rested_since = now
            self._resting.append(upstream)

    def lost(self) -> None:
        """A counted connection is gone: its place goes to who waits longest."""
        waiter = self._next_waiting()
        if waiter is not None:
            waiter.set_result(None)
        else:
            self.open_count -= 1

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
