"""The connections to one Qlik node: opened, kept, handed out, bounded; and whether the node is up.

A connection goes back only after an exact end with nothing left over. It carries no state of its own: nothing of
one person's exchange is left on it for the next.
"""

import asyncio
import errno
import ssl
from collections import deque
from collections.abc import Callable

from qproxy.errors import Failure, Refused
from qproxy.forwarding.choice import turn
from qproxy.forwarding.health import Health
from qproxy.forwarding.node import Node
from qproxy.forwarding.transports import connect
from qproxy.forwarding.upstream import Upstream

UNSAFE_IDLE = 4.0
"""A request that may not be sent twice takes a pooled connection only when it rested at most this long (seconds)."""


class NodePool:
    """`take` gives a resting connection at once, `open` waits for a new one. `on_down` hears when requests took the
    node down."""

    def __init__(self, node: Node, health: Health, on_down: "Callable[[NodePool], None]") -> None:
        self.node = node
        self.name = str(node)
        self.health = health
        self.steady = not node.drain
        """Whether the node gets all of its sessions: up, and neither being drained nor back only now."""
        self._on_down = on_down
        self._limit = 256
        self._idle_limit = 60.0
        self._connect_timeout = 3.0
        self._open: set[Upstream] = set()
        self._resting: list[Upstream] = []
        self._waiting: deque[asyncio.Future[Upstream | None]] = deque()
        self.open_count = 0
        self.opened = 0
        self.reused = 0
        self.closed = False

    def bound(self, connections: int, idle: float, connect: float) -> None:
        """Most connections, and seconds: how long one may rest, how long the node may take to be connected."""
        self._limit = connections
        self._idle_limit = idle
        self._connect_timeout = connect

    @property
    def resting(self) -> int:
        return len(self._resting)

    @property
    def busy(self) -> int:
        """Connections that carry a request now."""
        return self.open_count - len(self._resting)

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
        try:
            upstream = await self._connect()
        except Refused as refused:
            if refused.failure is not Failure.OVERLOADED:
                self.failed(refused.detail.removeprefix(f"{self.name}: "))
            raise
        self.opened += 1
        upstream.counted = True
        self._open.add(upstream)
        return upstream

    async def _connect(self) -> Upstream:
        node = self.node
        name = node.server_name or node.host
        try:
            async with asyncio.timeout(self._connect_timeout):
                return await connect(lambda: Upstream(self, self.name), node.host, node.port, node.tls, name)
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
        if self.health.failures and not upstream.unwell:
            self.health.failures = 0

    def lost(self) -> None:
        """A counted connection is gone: its place goes to who waits longest."""
        waiter = self._next_waiting()
        if waiter is not None:
            waiter.set_result(None)
        else:
            self.open_count -= 1

    def gone(self, upstream: Upstream) -> None:
        """A connection carries no more requests: it ended, or became a tunnel."""
        self._open.discard(upstream)

    def forget(self, upstream: Upstream) -> None:
        if upstream in self._resting:
            self._resting.remove(upstream)

    def sweep(self, now: float) -> None:
        """Close what rested longer than the configured time."""
        while self._resting and now - self._resting[0].rested_since > self._idle_limit:
            self._resting.pop(0).close()

    def close(self) -> None:
        self.closed = True
        self.close_resting()

    # whether the node is up

    def failed(self, reason: str) -> None:
        """A request could not be brought here, or its answer was none."""
        if self.health.request_failed(reason):
            self._on_down(self)

    def reluctance(self, affinity: str, now: float) -> int:
        """0 for a node that is to get this request, more for one that gets it only if no better one can."""
        if self.steady:
            return 0
        if not self.health.up:
            return 3
        if self.node.drain:
            return 2
        share = self.health.share(now)
        self.steady = share >= 1
        return 0 if self.steady or (affinity and turn(affinity, self.name) < share) else 1

    def back(self, *, slowly: bool) -> None:
        """Up again: with all of its sessions at once where no other node has them."""
        if not slowly:
            self.health.take_all()
            self.steady = not self.node.drain

    def close_resting(self) -> None:
        while self._resting:
            self._resting.pop().close()

    def cut(self) -> None:
        """Break all connections: whoever waits for an answer here learns that none will come."""
        for upstream in list(self._open):
            upstream.abort()
