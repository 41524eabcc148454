"""The public port: accepts connections, counts them, sweeps their deadlines, and lets them go at a stop."""

import asyncio
import logging
import ssl
from collections import Counter
from collections.abc import Callable

from qproxy.clients import network_of
from qproxy.errors import Failure
from qproxy.forwarding.conduct import Conduct, Limits, Timeouts
from qproxy.forwarding.downstream import Downstream
from qproxy.forwarding.pool import Pool
from qproxy.forwarding.transports import Port, Tls, listen
from qproxy.forwarding.tunnel import Tunnel

log = logging.getLogger(__name__)

MOST_REFUSED = 200
SHUTTING_DOWN = "qproxy is restarting"
NODE_DEAD = "the Qlik node is gone"


class Listener:
    """`exempt(address)` says whose connections are not counted by address (trusted proxies)."""

    def __init__(
        self,
        conduct: Conduct,
        timeouts: Timeouts,
        limits: Limits,
        pools: list[Pool],
        exempt: Callable[[str], bool] = lambda address: False,
    ) -> None:
        self.conduct = conduct
        self.timeouts = timeouts
        self.limits = limits
        self.loop = asyncio.get_running_loop()
        self._exempt = exempt
        self._pools = pools
        for pool in pools:
            pool.on_dead = self.node_dead
        self._connections: set[Downstream] = set()
        self._refused: set[Downstream] = set()
        self._tunnels: set[Tunnel] = set()
        self._by_address: Counter[str] = Counter()
        self._ports: list[Port] = []
        self._sweeper: asyncio.TimerHandle | None = None
        self._emptied = asyncio.Event()
        self.draining = False

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None, together: bool = False) -> int:
        """Listen on an address, `together` with other workers; the port that it got. Raises OSError."""
        secured = Tls(tls, self.timeouts.head, self.timeouts.linger) if tls else None
        listening = await listen(lambda: Downstream(self), host, port, secured, together)
        self._ports.append(listening)
        if self._sweeper is None:
            self._sweep()
        return listening.number

    # what connections and tunnels report

    def admit(self, downstream: Downstream) -> Failure | None:
        """Count a new connection; why it may not stay, or None. One that may not takes nobody's place."""
        refusal = self._refusal(downstream.peer)
        self._connections.add(downstream)
        if refusal is not None:
            self._refused.add(downstream)
        elif not self._exempt(downstream.peer):
            self._by_address[network_of(downstream.peer)] += 1
        return refusal

    def _refusal(self, peer: str) -> Failure | None:
        if self.draining:
            return Failure.SHUTTING_DOWN
        if len(self._connections) - len(self._refused) + len(self._tunnels) >= self.limits.connections:
            return Failure.OVERLOADED
        if self._by_address[network_of(peer)] >= self.limits.connections_per_address:
            return Failure.TOO_MANY_CONNECTIONS
        return None

    @property
    def crowded(self) -> bool:
        """Whether so many wait to read why they were refused that the next is cut without words."""
        return len(self._refused) > MOST_REFUSED

    def lost(self, downstream: Downstream) -> None:
        self._connections.discard(downstream)
        if downstream in self._refused:
            self._refused.discard(downstream)
            self._see_whether_empty()
        else:
            self._uncount(downstream.peer)

    def tunnelled(self, downstream: Downstream) -> None:
        self._connections.discard(downstream)

    def tunnel_open(self, tunnel: Tunnel) -> None:
        self._tunnels.add(tunnel)

    def tunnel_over(self, tunnel: Tunnel) -> None:
        self._tunnels.discard(tunnel)
        self.conduct.finished(tunnel.record)
        self._uncount(tunnel.peer)

    def node_dead(self, node: str) -> None:
        """Nothing will come from there any more: whoever has a socket open is told, and connects to another node."""
        for tunnel in list(self._tunnels):
            if tunnel.record.node == node:
                tunnel.end("", 1001, NODE_DEAD)

    def _uncount(self, peer: str) -> None:
        network = network_of(peer)
        if self._by_address[network] > 1:
            self._by_address[network] -= 1
        else:
            del self._by_address[network]
        self._see_whether_empty()

    def _see_whether_empty(self) -> None:
        if self.draining and not self._connections and not self._tunnels:
            self._emptied.set()

    def log_bug(self, error: BaseException) -> None:
        log.error("an exchange failed: %s", type(error).__name__, exc_info=error)

    @property
    def connections(self) -> int:
        return len(self._connections)

    @property
    def tunnels(self) -> int:
        return len(self._tunnels)

    # time

    def _sweep(self) -> None:
        self._sweeper = self.loop.call_later(self._interval(), self._sweep)
        now = self.loop.time()
        for downstream in list(self._connections):
            downstream.check(now)
        for pool in self._pools:
            pool.sweep(now)
        if self.timeouts.websocket_idle is not None:
            for tunnel in list(self._tunnels):
                tunnel.check(now, self.timeouts.websocket_idle)

    def _interval(self) -> float:
        """A quarter of the shortest time limit, and at most a second: one timer serves all connections."""
        limits = (
            self.timeouts.head,
            self.timeouts.keep_alive,
            self.timeouts.body_stall,
            self.timeouts.write_stall,
            self.timeouts.first_byte,
            self.timeouts.response_stall,
            self.timeouts.linger,
            self.timeouts.websocket_idle or 4.0,
        )
        return max(0.02, min(1.0, min(limits) / 4))

    # the end

    def close(self) -> None:
        """Accept no more."""
        self.draining = True
        for port in self._ports:
            port.close()

    async def drain(self, seconds: float, notice: str = "") -> bool:
        """Let what runs end, tell sockets with close code 1001, and cut the rest after `seconds`; whether all ended."""
        self.close()
        for tunnel in list(self._tunnels):
            tunnel.end(notice, 1001, SHUTTING_DOWN)
        for downstream in list(self._connections):
            downstream.drain()
        ended = True
        if self._connections or self._tunnels:
            ended = await self._wait(seconds)
        self._cut()
        return ended

    async def _wait(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._emptied.wait()
        except TimeoutError:
            return False
        return True

    def _cut(self) -> None:
        for downstream in list(self._connections):
            downstream.transport.abort()
        for tunnel in list(self._tunnels):
            tunnel.abort()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for pool in self._pools:
            pool.close()
