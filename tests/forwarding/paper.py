"""The data plane on paper: real protocols on transports and a clock that a test moves by hand, event by event."""

import asyncio
import os
from typing import Any

from forwarding.plane import QUICK, Straight

from qproxy.errors import Failure, Refused
from qproxy.forwarding.conduct import Limits
from qproxy.forwarding.downstream import Downstream
from qproxy.forwarding.health import Health
from qproxy.forwarding.listener import Listener
from qproxy.forwarding.node import RULES, Node, Rules
from qproxy.forwarding.node_pool import NodePool
from qproxy.forwarding.pool import Pool
from qproxy.forwarding.upstream import Upstream

HIGH_WATER = 2000
_QUIET = os.pipe()[0]
"""A descriptor on which nothing ever waits."""


class PaperSocket:
    def fileno(self) -> int:
        return _QUIET

    def setsockopt(self, *_: object) -> None:
        """Whatever it is."""


class PaperTransport(asyncio.Transport):
    """Keeps what is written until the test lets it go; complains of calls that a real transport would not bear."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self.protocol = protocol
        self.unsent = b""
        self.sent = b""
        self.full = False
        self.paused = False
        self.closing = False
        self.eof = False
        self.lost = False
        self.aborted = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("192.0.2.1", 1), "socket": PaperSocket()}.get(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol  # type: ignore[assignment]

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return len(self.unsent)

    def write(self, data: Any) -> None:
        assert not self.eof, "written after write_eof"
        if self.lost:
            return
        self.unsent += data
        if len(self.unsent) > HIGH_WATER and not self.full:
            self.full = True
            self.protocol.pause_writing()

    def flush(self) -> None:
        """The other side reads all that waits."""
        if self.lost:
            return
        self.sent, self.unsent = self.sent + self.unsent, b""
        if self.full:
            self.full = False
            self.protocol.resume_writing()
        if self.closing:
            self.lose(None)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.eof = True

    def pause_reading(self) -> None:
        assert not self.paused, "paused twice"
        self.paused = True

    def resume_reading(self) -> None:
        assert self.paused, "resumed twice"
        self.paused = False

    def close(self) -> None:
        self.closing = True
        if not self.unsent:
            self.lose(None)

    def abort(self) -> None:
        self.closing = self.aborted = True
        self.lose(None)

    def lose(self, error: Exception | None) -> None:
        self.closing = True
        asyncio.get_running_loop().call_soon(self._lost, error)

    def _lost(self, error: Exception | None) -> None:
        if not self.lost:
            self.lost = True
            self.protocol.connection_lost(error)

    def arrive(self, data: bytes) -> bool:
        """Bytes from the other side; whether they were read."""
        if self.paused or self.closing or not data:
            return False
        self.protocol.data_received(data)
        return True

    def hang_up(self) -> None:
        """FIN."""
        if not (self.paused or self.closing):
            self.protocol.eof_received()
            self.close()


class PaperClock:
    """The loop, with a time of its own."""

    def __init__(self) -> None:
        self.now = 1.0
        self._loop = asyncio.get_running_loop()

    def time(self) -> float:
        return self.now

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)


class PaperNode(NodePool):
    """A node on paper; `refuses` makes the next connections fail."""

    def __init__(self, name: str = "node") -> None:
        super().__init__(Node(name, 1), Health(RULES), lambda pool: None)
        self.made: list[PaperTransport] = []
        self.refuses = False

    async def _connect(self) -> Upstream:
        await asyncio.sleep(0)
        if self.refuses:
            raise Refused(Failure.UPSTREAM_REFUSED, "on paper")
        upstream = Upstream(self, self.name)
        transport = PaperTransport(upstream)
        self.made.append(transport)
        upstream.connection_made(transport)
        return upstream


def paper_pool(node: NodePool, rules: Rules = RULES) -> Pool:
    """A pool of that node alone."""
    pool = Pool([node.node], rules=rules)
    pool.members = [node]
    pool.only = node
    return pool


class PaperPlane:
    """One browser, a pool, and the listener that they belong to."""

    def __init__(self, connections: int = 256) -> None:
        self.pool = PaperNode()
        self.pool.bound(connections, 60.0, 3.0)
        whole = paper_pool(self.pool)
        self.road = Straight(whole)
        self.listener = Listener(self.road, QUICK, Limits(), [whole])
        self.clock = PaperClock()
        self.listener.loop = self.clock  # type: ignore[assignment]
        self.downstream = Downstream(self.listener)
        self.browser = PaperTransport(self.downstream)
        self.downstream.connection_made(self.browser)

    @property
    def node(self) -> PaperTransport | None:
        """The transport that the running exchange is held by."""
        exchange = self.downstream._exchange
        return exchange.upstream.transport if exchange and exchange.upstream else None  # type: ignore[return-value]

    def sweep(self, seconds: float) -> None:
        self.clock.now += seconds
        for downstream in list(self.listener._connections):
            downstream.check(self.clock.now)
        self.pool.sweep(self.clock.now)

    async def settle(self) -> None:
        for _ in range(8):
            await asyncio.sleep(0)
