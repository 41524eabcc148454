"""qproxy's data plane between a browser and a Qlik node that exist on paper: real protocols, no sockets, no waiting.

The node reads with aiohttp's parser and answers a request when that parser says that it is whole.
"""

import asyncio
import os
from collections.abc import Callable
from typing import Any

from forwarding.paper import paper_pool
from hostile.readings import FASTEST, REQUESTS, Reader, Reading

from qproxy import headers
from qproxy.errors import Failure
from qproxy.forwarding.conduct import Answer, Forward, Limits, Timeouts
from qproxy.forwarding.downstream import Downstream
from qproxy.forwarding.health import Health
from qproxy.forwarding.listener import Listener
from qproxy.forwarding.node import RULES, Node
from qproxy.forwarding.node_pool import NodePool
from qproxy.forwarding.tunnel import Tunnel, accept_key
from qproxy.forwarding.upstream import Upstream
from qproxy.headers import RequestHead
from qproxy.records import Record

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: "
_QUIET = os.pipe()[0]
"""A descriptor on which nothing ever waits."""


class Turns:
    """The loop: what is to be called soon is called when the lane turns; time stands still."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Callable[..., object], tuple[Any, ...]]] = []

    def time(self) -> float:
        return 1.0

    def call_soon(self, call: Callable[..., object], *args: Any) -> None:
        self._waiting.append((call, args))

    def call_later(self, _: float, __: Callable[..., object], *___: Any) -> asyncio.Handle:
        return asyncio.get_running_loop().call_soon(lambda: None)

    def turn(self) -> bool:
        """Whether anything was to be done."""
        waiting, self._waiting = self._waiting, []
        for call, args in waiting:
            call(*args)
        return bool(waiting)


class Side(asyncio.Transport):
    """A connection whose other end takes everything at once."""

    def __init__(self, turns: Turns) -> None:
        super().__init__()
        self._turns = turns
        self.protocol: Any = None
        self.written: list[bytes] = []
        self.closing = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("192.0.2.1", 1), "socket": self}.get(name, default)

    def fileno(self) -> int:
        return _QUIET

    def setsockopt(self, *_: object) -> None:
        """Whatever it is."""

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, data: Any) -> None:
        if not self.closing:
            self.written.append(bytes(data))

    def writelines(self, data: Any) -> None:
        self.write(b"".join(data))

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """Only says that no more comes."""

    def pause_reading(self) -> None:
        """What still comes then is not much."""

    def resume_reading(self) -> None:
        """As above."""

    def close(self) -> None:
        if not self.closing:
            self.closing = True
            self._turns.call_soon(self.protocol.connection_lost, None)

    abort = close

    def arrive(self, data: bytes) -> None:
        if not self.closing:
            deliver(self.protocol, data)


def deliver(protocol: Any, data: bytes) -> None:
    """As a loop does, into a protocol of either kind."""
    if not isinstance(protocol, asyncio.BufferedProtocol):
        protocol.data_received(data)
        return
    while data:
        room = memoryview(protocol.get_buffer(len(data)))
        size = min(len(room), len(data))
        room[:size] = data[:size]
        protocol.buffer_updated(size)
        data = data[size:]


class LanePool(NodePool):
    """Every connection that it gives is a new one."""

    def __init__(self, turns: Turns) -> None:
        super().__init__(Node("node", 1), Health(RULES), lambda pool: None)
        self._turns = turns
        self.made: list[Side] = []

    def take(self, *, safe: bool, now: float) -> Upstream | None:
        resting = super().take(safe=safe, now=now)
        if resting is not None:
            return resting
        upstream = Upstream(self, "node")
        side = Side(self._turns)
        side.protocol = upstream
        upstream.connection_made(side)
        self.made.append(side)
        return upstream


class Passing:
    """A Conduct that passes everything on, and an owner of tunnels. `asked` are the heads, `over` the finished ones."""

    def __init__(self, turns: Turns) -> None:
        self.pool = LanePool(turns)
        self.whole = paper_pool(self.pool)
        self.asked: list[Record] = []
        self.over: list[Record] = []
        self.tunnels: list[Tunnel] = []

    def decide(self, head: RequestHead, record: Record) -> Forward:
        self.asked.append(record)
        fields = headers.to_upstream(head, head.cookie or None, b"")
        return Forward(self.whole, fields, lambda answer: None, self)

    def heard(self) -> None:
        return

    def refuse(self, failure: Failure, record: Record) -> Answer:
        record.failure = failure
        return Answer(failure.status, [], b"", failure)

    def finished(self, record: Record) -> None:
        self.over.append(record)

    def own_pages(self) -> asyncio.Protocol:
        return asyncio.Protocol()

    def opened(self, tunnel: Tunnel) -> None:
        self.tunnels.append(tunnel)

    def closed(self, tunnel: Tunnel) -> None:
        """Nothing to end."""


class Lane:
    """One browser connection. `answering`: whether the node answers by itself; the node reads nothing otherwise."""

    def __init__(self, *, answering: bool = True) -> None:
        self._answering = answering
        self.turns = Turns()
        self.road = Passing(self.turns)
        self.listener = Listener(self.road, Timeouts(), Limits(head_bytes=65536), [self.road.whole])
        self.listener.loop = self.turns  # type: ignore[assignment]
        self.browser = Side(self.turns)
        self.browser.protocol = Downstream(self.listener)
        self.browser.protocol.connection_made(self.browser)
        self._readers: list[Reader] = []
        self._answered: list[int] = []

    def send(self, data: bytes) -> None:
        """Bytes from the browser, and everything that follows from them."""
        self.browser.arrive(data)
        while (self._answering and self._answer()) or self.turns.turn():
            pass

    def _answer(self) -> bool:
        """Let each node read what came to it, and answer one request that is whole."""
        made = self.road.pool.made
        for number, side in enumerate(made):
            if number == len(self._readers):
                self._readers.append(Reader(REQUESTS[FASTEST]))
                self._answered.append(0)
            for data in side.written:
                self._readers[number].feed(data)
            side.written.clear()
            whole = self._readers[number].whole
            if self._answered[number] < whole:
                self._answered[number] += 1
                side.arrive(self._reply())
                return True
        return False

    def _reply(self) -> bytes:
        head = self.road.asked[-1].head
        assert head is not None
        if not head.websocket:
            return OK
        return SWITCHING + accept_key(head.named[b"sec-websocket-key"]) + b"\r\n\r\n"

    def node_readings(self) -> list[Reading]:
        return [reader.reading() for reader in self._readers]

    def answer(self, data: bytes) -> None:
        """Bytes from the node that was asked last."""
        self.road.pool.made[-1].arrive(data)
        while self.turns.turn():
            pass

    def node_goes(self) -> None:
        self.road.pool.made[-1].protocol.eof_received()
        self.road.pool.made[-1].close()
        while self.turns.turn():
            pass

    def close(self) -> None:
        self.browser.close()
        while self.turns.turn():
            pass
