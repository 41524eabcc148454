"""The Qlik nodes of one virtual proxy: which one a request goes to, and which next when that one is not there.

A session stays with its node (`choice`) while that is up; its requests go to the others meanwhile, without a new login:
Qlik's proxy service there asks the session module. When all nodes seem down, all are tried.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable

from qproxy.errors import Failure, Refused
from qproxy.forwarding.checking import Unwell, check
from qproxy.forwarding.choice import ranking
from qproxy.forwarding.health import Health
from qproxy.forwarding.node import RULES, Node, Rules
from qproxy.forwarding.node_pool import NodePool
from qproxy.forwarding.upstream import Upstream
from qproxy.forwarding.waiting_room import WaitingRoom

log = logging.getLogger(__name__)

MOST_REMEMBERED = 8192
LONGEST_REMEMBERED = 128
"""Sessions whose order of nodes is remembered, and the longest id among them: 3 MB at most, then it starts anew."""
UNREACHABLE = frozenset({Failure.UPSTREAM_REFUSED, Failure.UPSTREAM_CONNECT_TIMEOUT, Failure.UPSTREAM_TLS})
PASSING = frozenset({Failure.UPSTREAM_REFUSED, Failure.UPSTREAM_CONNECT_TIMEOUT})
"""What is over when Qlik has restarted: worth waiting for."""


class Pool:
    """`choose` and its `take` cost a request nothing but a look-up; `open` waits. `on_dead(node)` hears of a node that
    cannot be reached while another one can: what is open there will not be answered any more."""

    def __init__(
        self,
        nodes: list[Node],
        *,
        connections: int = 256,
        idle: float = 60.0,
        connect: float = 3.0,
        rules: Rules = RULES,
    ) -> None:
        self.members = [NodePool(node, Health(rules), self._down) for node in nodes]
        for member in self.members:
            member.bound(connections, idle, connect)
        self.only = self.members[0] if len(nodes) == 1 else None
        self.on_dead: Callable[[str], None] = lambda node: None
        self.clock = time.monotonic
        self._rules = rules
        self._names = [member.name for member in self.members]
        self._orders: dict[str, list[NodePool]] = {}
        self._room = WaitingRoom(self._reached)
        self._checks: list[asyncio.Task[None]] = []

    # which node

    def choose(self, affinity: str) -> NodePool:
        """The node for a session's request; without a session ("") the one that does the least."""
        order = self._orders.get(affinity)
        if order is not None and order[0].steady:
            return order[0]
        return self._in_turn(affinity, "")[0]

    def _in_turn(self, affinity: str, avoid: str) -> list[NodePool]:
        """All nodes, in the order in which a request is to try them."""
        if self.only is not None:
            return self.members
        now = self.clock()
        order = self._order(affinity) if affinity else sorted(self.members, key=_busy)
        return sorted(order, key=lambda member: (member.name == avoid, member.reluctance(affinity, now)))

    def _order(self, affinity: str) -> list[NodePool]:
        order = self._orders.get(affinity)
        if order is None:
            order = sorted((self.members[number] for number in ranking(affinity, self._names)), key=_drained)
            if len(affinity) <= LONGEST_REMEMBERED:
                if len(self._orders) >= MOST_REMEMBERED:
                    self._orders.clear()
                self._orders[affinity] = order
        return order

    async def open(
        self, affinity: str = "", *, fresh: bool = False, patient: bool = False, avoid: str = ""
    ) -> Upstream:
        """A connection to the first node that can be connected; `fresh`: surely a new one, and `avoid` asked last.

        `patient`: when no node is there, wait for one. Raises Refused.
        """
        try:
            return await self._open(affinity, fresh, avoid)
        except Refused as refused:
            if not patient or refused.failure not in PASSING:
                raise
            return await self._open_later(affinity, fresh, refused)

    async def _open(self, affinity: str, fresh: bool, avoid: str) -> Upstream:
        errors: list[Refused] = []
        for member in self._in_turn(affinity, avoid):
            try:
                return await member.open(fresh=fresh)
            except Refused as refused:
                errors.append(refused)
                if refused.failure not in UNREACHABLE:
                    break
        raise _told(errors)

    async def _open_later(self, affinity: str, fresh: bool, refused: Refused) -> Upstream:
        end = self.clock() + self._rules.wait
        while (left := end - self.clock()) > 0 and await self._room.wait(left):
            try:
                return await self._open(affinity, fresh, "")
            except Refused as again:
                refused = again
                if again.failure not in PASSING:
                    break
        raise refused

    async def _reached(self) -> bool:
        """Whether a node can be connected; the connection then rests for whoever comes first."""
        try:
            upstream = await self._open("", True, "")
        except Refused:
            return False
        upstream.release(clean=True, now=asyncio.get_running_loop().time())
        return True

    # whether they are up

    def start(self) -> None:
        """Begin to check the nodes."""
        loop = asyncio.get_running_loop()
        self._checks = [loop.create_task(self._watch(member)) for member in self.members]

    async def stop(self) -> None:
        self.close()
        for task in self._checks:
            task.cancel()
        for task in self._checks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _watch(self, member: NodePool) -> None:
        while True:
            await asyncio.sleep(self._rules.interval * random.uniform(0.75, 1.25))  # noqa: S311 - nobody gains by guessing
            await self.check(member)

    async def check(self, member: NodePool) -> None:
        """Ask a node now, and draw the conclusions."""
        try:
            await check(member.node, self._rules)
        except Unwell as unwell:
            if member.health.check_failed(unwell.reason):
                self._down(member)
            if unwell.unreachable and member.health.missed == self._rules.unhealthy_after:
                self._dead(member)
        else:
            if member.health.check_passed(self.clock()):
                member.back(slowly=any(other.steady for other in self.members))
                log.warning("%s: the Qlik node %s is back", self._rules.name, member.name)

    def _down(self, member: NodePool) -> None:
        member.steady = False
        member.close_resting()
        log.warning("%s: the Qlik node %s is down: %s", self._rules.name, member.name, member.health.reason)

    def _dead(self, member: NodePool) -> None:
        if any(other.health.up for other in self.members):
            member.cut()
            self.on_dead(member.name)

    # the whole

    @property
    def nodes(self) -> list[Node]:
        return [member.node for member in self.members]

    @property
    def open_count(self) -> int:
        return sum(member.open_count for member in self.members)

    @property
    def resting(self) -> int:
        return sum(member.resting for member in self.members)

    @property
    def waiting(self) -> int:
        """Requests that wait for a node to come back."""
        return self._room.waiting

    def sweep(self, now: float) -> None:
        for member in self.members:
            member.sweep(now)

    def close(self) -> None:
        self._room.close()
        for member in self.members:
            member.close()


def _busy(member: NodePool) -> int:
    return member.busy


def _drained(member: NodePool) -> bool:
    return member.node.drain


def _told(errors: list[Refused]) -> Refused:
    """One for all: a node that refuses is nearer to being back than one that is silent or cannot prove who it is."""
    if not errors:
        return Refused(Failure.UPSTREAM_REFUSED, "no node is configured")
    last = errors[-1]
    words = {error.failure for error in errors}
    failure = Failure.UPSTREAM_REFUSED if words <= UNREACHABLE and Failure.UPSTREAM_REFUSED in words else last.failure
    return Refused(failure, "; ".join(error.detail for error in errors))
