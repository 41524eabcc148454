"""How QPS learns who a session of ours is: the three modes of a virtual proxy, and what each of them has to do.

`session_module`: QPS asks us. `session_api`: we tell it at the login. `ticket`: a ticket makes a session of QPS's own,
redeemed here, so that no browser ever sees it. In the last two QPS can forget a session that still lives here; it is
then told again, once, without a new login (docs/decisions/0014-three-modes.md). In all of them QPS is told by its API,
where that is configured, when a session ends. Nothing here admits anybody: the gate does, by our own session.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeVar

from qproxy.farewells import Farewells
from qproxy.forwarding.choice import ranking
from qproxy.model import End, Session
from qproxy.qps import Caller, Door, QpsApi, QpsError, counted
from qproxy.sessions.front import Sessions

log = logging.getLogger("qproxy.modes")

ONCE_IN = 15.0
"""Seconds: refused again so soon after QPS was told once more, telling it does not help. Requests that were refused
together are answered by one renewal."""
NOT_NOW = 2.0
"""Seconds in which QPS is not tried again after it could not be told."""
MOST_STANDINGS = 20_000
T = TypeVar("T")


@dataclass(slots=True)
class Standing:
    """What this worker knows of a session that QPS refused: the node that did, and when QPS was told of it again, or
    could not be (the loop's time)."""

    node: str = ""
    renewed: float = float("-inf")
    failed: float = float("-inf")
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True, slots=True)
class Site:
    """Qlik's nodes as a mode needs them; `nodes` (host:port, as in the access log), `apis` and `doors` in one order.

    `count(call, outcome)` counts the calls of the API.
    """

    vp: str
    sessions: Sessions
    count: Callable[[str, str], None]
    nodes: Sequence[str] = ()
    apis: Sequence[QpsApi] = ()
    doors: Sequence[Door] = ()
    caller: Caller | None = None


class Refusal(Enum):
    """What may help a request that QPS refused."""

    AGAIN = "told meanwhile: the same request once more"
    RENEW = "to tell QPS again"
    LATER = "to wait: QPS cannot be told at the moment"
    FINAL = "nothing of ours: a new login"


class Mode:
    """`session_module`, and what the others have in common with it."""

    renews = False
    """Whether QPS can be told of a session again."""
    by_other_id = False
    """Whether QPS knows a session under an id of its own."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._standings: dict[str, Standing] = {}
        self.farewells = Farewells(site.vp, site.apis, site.count)

    # at the login, and when QPS forgot

    async def introduce(self, session: Session) -> Session:
        """After a login. What fails is logged: QPS then refuses the first request, and is told again."""
        try:
            return await self._tell(session, "")
        except QpsError as error:
            log.warning("%s: Qlik could not be told of session %s: %s", self.site.vp, session.short, error)
            return session

    def refused(self, session: Session, began: float, node: str) -> Refusal:
        """`node` refused a request that began then (the loop's time)."""
        if not self.renews:
            return Refusal.FINAL
        standing, now = self._standing(session), asyncio.get_running_loop().time()
        if began <= standing.renewed:
            return Refusal.AGAIN
        standing.node = node
        if now - standing.failed < NOT_NOW:
            return Refusal.LATER
        return Refusal.RENEW if now - standing.renewed >= ONCE_IN else Refusal.FINAL

    async def renew(self, session: Session) -> None:
        """After a refusal seen here: QPS is told again. Raises QpsError, StoreUnavailable."""
        if self.renews:
            await self._renew(session, self._no_node)

    async def reassure(self, session: Session, sure: bool) -> None:
        """The same for who says that QPS forgot it: another worker (`sure`), or anybody: then only if its nodes can be
        asked and say so, too."""
        if self.renews:
            await self._renew(session, self._no_node_denies if not sure else self._some_node)

    async def _renew(self, session: Session, known: Callable[[Session], Awaitable[bool]]) -> None:
        standing = self._standing(session)
        async with standing.lock:
            if self._now() - standing.renewed < ONCE_IN or await known(session):
                return
            if self._now() - standing.failed < NOT_NOW:
                raise QpsError("unreachable", "it just failed, and is not tried again so soon")
            try:
                kept = await self.site.sessions.link(session, "")
                if kept is not None and kept.qlik_id == session.qlik_id:
                    await self._tell(kept, standing.node)
            except QpsError:
                standing.failed = self._now()
                raise
            standing.renewed = self._now()
        log.info("%s: Qlik had forgotten session %s and was told of it again", self.site.vp, session.short)

    async def _tell(self, session: Session, node: str) -> Session:
        """`node`: the one that must know it, "" for any. Raises QpsError."""
        return session

    async def _no_node(self, _: Session) -> bool:
        return False

    async def _some_node(self, session: Session) -> bool:
        return True in await self._known(session)

    async def _no_node_denies(self, session: Session) -> bool:
        known = await self._known(session)
        return True in known or False not in known

    async def _known(self, session: Session) -> list[bool | None]:
        """To each node; None for one that cannot be asked."""
        return await asyncio.gather(*(self._known_to(api, session.for_qlik) for api in self.site.apis))

    async def _known_to(self, api: QpsApi, qlik_id: str) -> bool | None:
        try:
            return await self._counted("knows", api.knows(qlik_id))
        except QpsError:
            return None

    def _standing(self, session: Session) -> Standing:
        standing = self._standings.get(session.id)
        if standing is None:
            if len(self._standings) >= MOST_STANDINGS:
                del self._standings[next(iter(self._standings))]
            standing = self._standings[session.id] = Standing()
        return standing

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    async def _counted(self, call: str, work: Awaitable[T]) -> T:
        return await counted(self.site.count, call, work)

    def cause(self, session: Session) -> str:
        """For the administrator: why QPS may refuse a session all the same. "" where the session module knows more."""
        return ""

    async def target(self, session: Session, query: Mapping[str, str]) -> str:
        """The address that QPS's redirect to the login stands for, where QPS can be asked; anybody can make it up."""
        return ""

    # at the end

    def leave(self, session: Session, why: End) -> None:
        """The session ended here."""
        self._standings.pop(session.id, None)
        self.farewells.tell(session, why)

    async def close(self) -> None:
        """Waits for farewells that are under way, but not long."""
        await self.farewells.close()
        if self.site.caller is not None:
            await self.site.caller.close()


class SessionApi(Mode):
    """QPS is told of each session on every node, under our own id."""

    renews = True

    async def _tell(self, session: Session, node: str) -> Session:
        results = await asyncio.gather(*(self._add(api, session) for api in self.site.apis))
        failed = {name: error for name, error in zip(self.site.nodes, results, strict=True) if error is not None}
        if node in failed or len(failed) == len(results):
            raise failed.get(node) or next(iter(failed.values()))
        return session

    async def _add(self, api: QpsApi, session: Session) -> QpsError | None:
        try:
            await self._counted("add_session", api.add_session(session.id, session.user, session.attributes))
        except QpsError as error:
            log.warning("%s: a node could not be told of session %s: %s", self.site.vp, session.short, error)
            return error
        return None

    def cause(self, session: Session) -> str:
        return (
            "Qlik's API took it, or could not be reached (see the lines before). "
            + CHECK_NODES
            + " Session cookie header name in the QMC must be the cookie of this virtual proxy's file."
        )


class Tickets(Mode):
    """A ticket is asked for and redeemed here. QPS knows the session under its own id, which stays with qproxy."""

    renews = True
    by_other_id = True

    async def _tell(self, session: Session, node: str) -> Session:
        """On the node that refused it, or on the first that answers, from the one on that serves the session."""
        failed: QpsError | None = None
        for number in self._order(session, node):
            try:
                qlik_id = await self._enter(number, session)
            except QpsError as error:
                failed = error
                continue
            return await self._link(session, qlik_id)
        raise failed or QpsError("refused", "no node is configured")

    def _order(self, session: Session, node: str) -> Sequence[int]:
        nodes = list(self.site.nodes)
        return [nodes.index(node)] if node in nodes else ranking(session.id, nodes)

    async def _enter(self, number: int, session: Session) -> str:
        api, door = self.site.apis[number], self.site.doors[number]
        ticket = await self._counted("ticket", api.ticket(session.user, session.attributes))
        return await self._counted("redeem", door.redeem(ticket))

    async def _link(self, session: Session, qlik_id: str) -> Session:
        """One id for all workers: whoever noted it first; ours is then given up, and so is one that was forgotten."""
        kept = await self.site.sessions.link(session, qlik_id)
        if kept is None or kept.qlik_id != qlik_id:
            self.farewells.end(qlik_id, session.short)
        elif session.qlik_id:
            self.farewells.end(session.qlik_id, session.short)
        return kept or session

    async def target(self, session: Session, query: Mapping[str, str]) -> str:
        for api in self._asked_by(query.get("proxyRestUri", "")):
            try:
                ticket = await self._counted(
                    "ticket", api.ticket(session.user, session.attributes, query.get("targetId", ""))
                )
            except QpsError as error:
                log.info("%s: a targetId was not resolved: %s", self.site.vp, error)
            else:
                return ticket.target
        return ""

    def _asked_by(self, rest_uri: str) -> Sequence[QpsApi]:
        """proxyRestUri may choose among the configured nodes, and nothing else: anybody can write one."""
        named = [api for api in self.site.apis if rest_uri.lower().startswith(api.origin + "/")]
        if rest_uri and not named:
            log.info("%s: a login named a proxyRestUri that is none of qps_api.urls: ignored", self.site.vp)
        return named or self.site.apis

    def cause(self, session: Session) -> str:
        got = "Qlik gave it a session by a ticket" if session.qlik_id else "Qlik gave no ticket for it"
        return f"{got}, and refuses it all the same (see the lines before). {CHECK_NODES}"


CHECK_NODES = (
    "Check that upstreams and qps_api.urls name the same nodes in the same order, that the prefix and the cookie are"
    " those of the QMC, and that the virtual proxy is linked to the proxy service of each node."
)
