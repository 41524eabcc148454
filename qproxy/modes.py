"""How QPS learns who a session of ours is: the three modes of a virtual proxy, and what each of them has to do.

`session_module`: QPS asks us. `session_api`: we tell it at the login. `ticket`: a ticket makes a session of QPS's own,
redeemed here, so that no browser ever sees it. In the last two QPS can forget a session that still lives here; it is
then told again, once, without a new login (docs/decisions/0014-three-modes.md). In all of them QPS is told by its API,
where that is configured, when a session ends. Nothing here admits anybody: the gate does, by our own session.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from qproxy.model import End, Session
from qproxy.qps import PAUSES, Caller, Door, QpsApi, QpsError, repeated
from qproxy.sessions.front import Sessions

log = logging.getLogger("qproxy.modes")

ONCE_IN = 15.0
"""Seconds: refused again so soon after QPS was told once more, telling it does not help. Requests that were refused
together are answered by one renewal."""
MOST_STANDINGS = 20_000
FAREWELLS = 5.0
"""Seconds in which, at the end of qproxy, QPS may still be told of sessions that ended."""

_TOLD_BY_QLIK = frozenset({End.QLIK, End.HUB_LOGOUT})
_OURS_ONLY = frozenset({End.IDLE, End.ABSOLUTE, End.REPLACED})
"""Why a session that QPS made is let go here, without being over there."""

T = TypeVar("T")


@dataclass(slots=True)
class Standing:
    """What is known of one session that QPS refused: the node that did, and when QPS was last told of it again."""

    node: str = ""
    renewed: float = float("-inf")
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
    pauses: Sequence[float] = PAUSES


class Mode:
    """`session_module`, and what the others have in common with it."""

    renews = False
    """Whether QPS can be told of a session again."""
    by_other_id = False
    """Whether QPS knows a session under an id of its own."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._standings: dict[str, Standing] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    # at the login, and when QPS forgot

    async def introduce(self, session: Session) -> Session:
        """After a login. What fails is logged: QPS then refuses the first request, and is told again."""
        try:
            return await self._tell(session, "")
        except QpsError as error:
            log.warning("%s: Qlik could not be told of session %s: %s", self.site.vp, session.short, error)
            return session

    def may_renew(self, session: Session, node: str) -> bool:
        """Whether telling QPS again may help a request that `node` refused."""
        if not self.renews:
            return False
        standing = self._standing(session)
        standing.node = node
        return self._now() - standing.renewed >= ONCE_IN

    def renewed_since(self, session: Session, began: float) -> bool:
        """Whether QPS was told again after a request began (the loop's time), so that it may be accepted now."""
        standing = self._standings.get(session.id)
        return standing is not None and began <= standing.renewed

    async def renew(self, session: Session, sure: bool = True) -> None:
        """Tell QPS again. Not `sure`: only if its nodes say that they forgot it, since anybody can claim so. Raises
        QpsError, StoreUnavailable."""
        if not self.renews:
            return
        standing = self._standing(session)
        async with standing.lock:
            if self._now() - standing.renewed < ONCE_IN or (not sure and not await self._forgotten(session)):
                return
            kept = await self.site.sessions.link(session, "")
            if kept is not None and kept.qlik_id == session.qlik_id:
                await self._tell(kept, standing.node)
            standing.renewed = self._now()
        log.info("%s: Qlik had forgotten session %s and was told of it again", self.site.vp, session.short)

    async def _tell(self, session: Session, node: str) -> Session:
        """`node`: the one that must know it, "" for any. Raises QpsError."""
        return session

    async def _forgotten(self, session: Session) -> bool:
        """Whether nodes can be asked, and none of them knows it."""
        known = await asyncio.gather(*(self._known_to(api, session.for_qlik) for api in self.site.apis))
        return False in known and True not in known

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
        try:
            done = await work
        except QpsError as error:
            self.site.count(call, error.word)
            raise
        self.site.count(call, "ok")
        return done

    def cause(self, session: Session) -> str:
        """For the administrator: why QPS may refuse a session all the same. "" where the session module knows more."""
        return ""

    async def target(self, session: Session, query: Mapping[str, str]) -> str:
        """The address that QPS's redirect to the login stands for, where QPS can be asked; anybody can make it up."""
        return ""

    # at the end

    def leave(self, session: Session, why: End) -> None:
        """QPS is told, in the background, of a session that ended here and that it did not end itself."""
        self._standings.pop(session.id, None)
        if why not in _TOLD_BY_QLIK and not (session.by_qlik and why in _OURS_ONLY):
            self._end_at_qlik(session.for_qlik, session.short)

    def _end_at_qlik(self, qlik_id: str, short: str) -> None:
        for api in self.site.apis:
            self._spawn(self._end_on(api, qlik_id, short))

    async def _end_on(self, api: QpsApi, qlik_id: str, short: str) -> None:
        try:
            await repeated(lambda: self._counted("end_session", api.end_session(qlik_id)), self.site.pauses)
        except QpsError as error:
            log.error("%s: Qlik was not told that session %s ended: %s", self.site.vp, short, error)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Waits for farewells that are under way, but not long."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=FAREWELLS)
            for task in late:
                task.cancel()
            if late:
                log.error("%s: stopping; Qlik was not told of the end of %d sessions", self.site.vp, len(late))
                await asyncio.gather(*late, return_exceptions=True)
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
        """On the node that refused it, or on the first that answers."""
        failed: QpsError | None = None
        for number in self._order(node):
            try:
                qlik_id = await self._enter(number, session)
            except QpsError as error:
                failed = error
                continue
            return await self._link(session, qlik_id)
        raise failed or QpsError("refused", "no node is configured")

    def _order(self, node: str) -> Sequence[int]:
        nodes = list(self.site.nodes)
        return [nodes.index(node)] if node in nodes else range(len(nodes))

    async def _enter(self, number: int, session: Session) -> str:
        api, door = self.site.apis[number], self.site.doors[number]
        ticket = await self._counted("ticket", api.ticket(session.user, session.attributes))
        return await self._counted("redeem", door.redeem(ticket))

    async def _link(self, session: Session, qlik_id: str) -> Session:
        """One id for all workers: whoever noted it first; ours is then given up, and so is one that was forgotten."""
        kept = await self.site.sessions.link(session, qlik_id)
        if kept is None or kept.qlik_id != qlik_id:
            self._end_at_qlik(qlik_id, session.short)
        elif session.qlik_id:
            self._end_at_qlik(session.qlik_id, session.short)
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
