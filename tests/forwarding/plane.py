"""The data plane on real sockets between scripted ends: browsers that a test writes by hand, and a scripted Qlik node.

When a `Plane` closes it checks what every test must leave behind: each request finished exactly once, and every
count back at zero.
"""

import asyncio
import contextlib
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from forwarding.wire import LIMIT, Wire, ok
from waiting import eventually

from qproxy import headers
from qproxy.errors import Failure
from qproxy.forwarding.conduct import Answer, Decision, Forward, HandOver, Limits, Timeouts
from qproxy.forwarding.listener import Listener
from qproxy.forwarding.node import Node
from qproxy.forwarding.node_pool import NodePool
from qproxy.forwarding.pool import Pool
from qproxy.forwarding.tunnel import Tunnel
from qproxy.headers import RequestHead
from qproxy.records import Record

Script = Callable[[Wire], Awaitable[None]]
QUICK = Timeouts(linger=0.3)
MANY = Limits()


async def echo(wire: Wire) -> None:
    """Answers every request with what came: method, target and body."""
    while True:
        message = await wire.request()
        body = b"%b %b %b" % (message.method, message.target, message.body)
        wire.send(ok(b"" if message.method == b"HEAD" else body))


class ScriptedNode:
    """A server that plays `script` on each connection; `wires` are all of its connections, in order."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.wires: list[Wire] = []
        self.seen: list[bytes] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    async def start(self, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", port, limit=LIMIT, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = Wire(reader, writer)
        self.wires.append(wire)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(EOFError, OSError, TimeoutError, asyncio.CancelledError):
                await self.script(wire)
                await asyncio.Event().wait()
        finally:
            self._tasks.discard(task)
            await wire.gone()

    async def stop(self) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        for wire in self.wires:
            await wire.gone()
        await eventually(lambda: not self._tasks)


@dataclass
class Owner:
    """A session's tunnels, and how often each was registered and unregistered."""

    tunnels: list[Tunnel] = field(default_factory=list)
    opened_count: int = 0
    closed_count: int = 0
    messages: int = 0

    def opened(self, tunnel: Tunnel) -> None:
        self.opened_count += 1
        self.tunnels.append(tunnel)

    def closed(self, tunnel: Tunnel) -> None:
        self.closed_count += 1
        self.tunnels.remove(tunnel)

    def heard(self) -> None:
        self.messages += 1


class Straight:
    """A Conduct that passes every request on, unless `decision` says otherwise."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.owner = Owner()
        self.asked: list[Record] = []
        self.over: list[Record] = []
        self.handed: list[Record] = []
        self.refused: list[Failure] = []
        self.decision: Callable[[RequestHead, Record], Any] = self.forward
        self.page: Callable[[], asyncio.Protocol] = asyncio.Protocol

    def forward(self, head: RequestHead, record: Record) -> Forward:
        fields = headers.to_upstream(head, None, b"", {b"authorization"})
        return Forward(self.pool, fields, lambda answer: None, self.owner if head.websocket else None)

    def decide(self, head: RequestHead, record: Record) -> Decision | Awaitable[Decision]:
        self.asked.append(record)
        decision = self.decision(head, record)
        if isinstance(decision, HandOver):
            self.handed.append(record)
        return decision  # type: ignore[no-any-return]

    def refuse(self, failure: Failure, record: Record) -> Answer:
        self.refused.append(failure)
        return Answer(failure.status, [b"X-Failure: " + failure.word.encode()], b"sorry", failure)

    def finished(self, record: Record) -> None:
        self.over.append(record)

    def own_pages(self) -> asyncio.Protocol:
        return self.page()

    def settled(self) -> bool:
        """Whether every request was finished (those without a readable head are finished, never asked)."""
        counts = Counter(map(id, self.over))
        asked = {id(record) for record in self.asked}
        handed = {id(record) for record in self.handed}
        return all(n == 1 for n in counts.values()) and asked - handed <= counts.keys() and not handed & counts.keys()


class Plane:
    """The listener, its pool and the node, joined."""

    def __init__(self, node: ScriptedNode, pool: Pool, timeouts: Timeouts, limits: Limits, exempt: bool) -> None:
        self.node = node
        self.nodes = pool
        self.road = Straight(pool)
        self.listener = Listener(self.road, timeouts, limits, [pool], lambda address: exempt)
        self.port = 0
        self.wires: list[Wire] = []

    @property
    def pool(self) -> NodePool:
        """The connections to the scripted node."""
        return self.nodes.members[-1]

    @property
    def records(self) -> list[Record]:
        return self.road.over

    async def wire(self, source: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> Wire:
        wire = await Wire.to(self.port, source, tls)
        self.wires.append(wire)
        return wire

    async def last(self, count: int = 1) -> Record:
        """The newest record once `count` requests are over."""
        await eventually(lambda: len(self.road.over) >= count)
        return self.road.over[-1]

    def empty(self) -> bool:
        listener = self.listener
        return (
            not listener.connections
            and not listener.tunnels
            and not listener._by_address
            and not self.nodes.open_count
            and self.road.settled()
            and self.road.owner.opened_count == self.road.owner.closed_count
        )

    async def stop(self) -> None:
        for wire in self.wires:
            await wire.gone()
        await eventually(lambda: not self.listener.connections and not self.listener.tunnels, within=3)
        await self.listener.drain(0)
        await eventually(self.empty, within=3)
        await self.node.stop()


@contextlib.asynccontextmanager
async def plane(
    script: Script = echo,
    *,
    timeouts: Timeouts = QUICK,
    limits: Limits = MANY,
    exempt: bool = False,
    tls: tuple[ssl.SSLContext, ssl.SSLContext] | None = None,
    public_tls: ssl.SSLContext | None = None,
    others: tuple[Node, ...] = (),
    **pool: Any,
) -> AsyncIterator[Plane]:
    """`tls`: the node's context and qproxy's, which expects the name node.example. `others`: further nodes, which are
    asked before this one by who has no session."""
    node = ScriptedNode(script)
    await node.start(tls[0] if tls else None)
    address = Node("127.0.0.1", node.port, tls[1], "node.example") if tls else Node("127.0.0.1", node.port)
    made = Plane(node, Pool([*others, address], **pool), timeouts, limits, exempt)
    made.port = await made.listener.start("127.0.0.1", 0, public_tls)
    try:
        yield made
    finally:
        await made.stop()


def times(**changes: float) -> Timeouts:
    return replace(QUICK, **changes)


both_loops = {"loop_factories": ["uvloop", "asyncio"]}
