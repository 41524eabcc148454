"""One Qlik virtual proxy at run time: what its file said, and what was opened for it.

The login flow, the session module and the gate meet here, each through its own narrow seam. `end_session` is the one
way in which a session ends: it leaves the store, its sockets are told in Qlik's words, and the audit log gets a line.
"""

import asyncio
import itertools
import logging
import re
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from qproxy.auth.mapping import Denied, Identity, identify, rules_of, shown_cut
from qproxy.auth.method import Accept
from qproxy.auth.way import Way
from qproxy.config import PublicConfig, VirtualProxyConfig
from qproxy.config.fields import bracketed, split_host_port
from qproxy.cookies import OWN_COOKIES
from qproxy.errors import Failure, Refused
from qproxy.forwarding.pool import Pool
from qproxy.model import NO_TIE, Attributes, End, Session, Tie, User, short_hash
from qproxy.modes import Mode
from qproxy.notes import Notes
from qproxy.observe import Observer
from qproxy.one_host import QLIK_PORTS, OneHost
from qproxy.partings import Partings
from qproxy.qps import QpsError
from qproxy.rechecks import Around as RecheckAround
from qproxy.rechecks import Rechecks
from qproxy.session_tunnels import Around, SessionTunnels, Tunnels
from qproxy.sessions.front import Sessions
from qproxy.sessions.pace import touch_grain
from qproxy.sessions.store import StoreUnavailable
from qproxy.told_sessions import Adopted, Place, ToldSessions

log = logging.getLogger("qproxy.virtual_proxy")

NOT_TOLD = "%s: Qlik could not be told of session %s again: %s"
MOST_PLAIN = 2048
LONGEST_PLAIN = 1024
"""Of Cookie headers that are remembered, in bytes: 2 MB for each virtual proxy at most, forgotten when full."""
SHORTEST_QLIK_TIMEOUT = 60.0
"""Seconds: the QMC takes whole minutes. A session that was used more lately did not end in Qlik by being inactive."""


class LoginEvent(Protocol):
    """What the login flow tells: see qproxy.web.desk."""

    @property
    def outcome(self) -> str: ...
    @property
    def method(self) -> str: ...
    @property
    def user(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def request_id(self) -> str: ...
    @property
    def session(self) -> str: ...
    @property
    def kind(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Opened:
    """What was opened for a virtual proxy when qproxy started."""

    sessions: Sessions
    pool: Pool
    ways: tuple[Way, ...]
    observer: Observer
    clock: Callable[[], float]
    mode: Mode
    notes: Notes


class VirtualProxy:
    """Satisfies the desks of the login flow and of the session module."""

    def __init__(self, config: VirtualProxyConfig, public: PublicConfig, opened: Opened) -> None:
        self.config = config
        self.name = config.name
        self.path = config.path
        self.directory = config.user_directory
        self.cookie_name = config.cookie_name
        self.cookie = config.cookie_name.encode()
        self.cookie_lower = self.cookie.lower()
        self.like_cookie = _alike(self.cookie).search
        self.hide(())
        self.same_site = config.same_site
        self.secure = public.origin.startswith("https:")
        self.public_origins: Sequence[str] = public.origins
        self.frame_ancestors: Sequence[str] = [str(origin) for origin in config.allowed_origins]
        self.other_origins = frozenset(text.encode() for text in self.frame_ancestors)
        self.origins = frozenset(text.encode() for text in (*public.origins, *self.frame_ancestors))
        self.ways: Sequence[Way] = opened.ways
        self.attribute_cap = config.attributes_cap
        self._rules = {login.known_as: rules_of(config, login) for login in config.login}
        self.anonymous = config.anonymous != "none"
        self.strip = frozenset(name.lower().encode() for name in config.strip_headers)
        self.one_host = _one_host(config, public)
        self.sessions = opened.sessions
        self.peek: Callable[[str], Session | None] = partial(opened.sessions.peek, config.name)
        """The living session with that id if it is known here; it never waits."""
        self.pool = opened.pool
        self.mode = opened.mode
        self._observer = opened.observer
        self._clock = opened.clock
        self.grain = touch_grain(config.lifetime.idle)
        place = Place(self.name, public.origin, self.cookie_name, self.anonymous)
        self._told = ToldSessions(place, opened.sessions, opened.clock, opened.observer.metrics.anonymous_session)
        self._tunnels = Tunnels(
            Around(
                self.name,
                opened.sessions,
                opened.clock,
                self.grain,
                self._spawn,
                opened.observer.metrics.tunnel_opened,
            )
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._rechecks = self._asking(opened)
        self._partings = Partings(self.name, opened.notes, opened.clock)

    def _asking(self, opened: Opened) -> Rechecks:
        count = partial(opened.observer.metrics.recheck, self.name)
        around = RecheckAround(self.name, opened.sessions, opened.notes, opened.clock, self.end_session, count)
        return Rechecks(around, {way.name: way.method for way in opened.ways})

    def hide(self, names: Iterable[bytes]) -> None:
        """Further cookies that QPS never gets: the sessions of other virtual proxies, which may be other sites'."""
        self.hidden = frozenset((*OWN_COOKIES, *names)) - {self.cookie}
        self.hidden_within = tuple((name.lower(), self.cookie_lower.count(name.lower())) for name in self.hidden)
        self.plain_cookies: dict[bytes, str] = {}
        """Cookie headers that cross as they are, and the session id in each: what was taken apart once."""

    def withhold(self, names: Iterable[bytes]) -> None:
        """Further headers (lower case) that Qlik never gets, whoever sends them."""
        self.strip |= frozenset(names)

    def remember_plain(self, header: bytes, session_id: str) -> None:
        if len(header) <= LONGEST_PLAIN:
            if len(self.plain_cookies) >= MOST_PLAIN:
                self.plain_cookies.clear()
            self.plain_cookies[header] = session_id

    # sessions: found, opened, ended

    def touch(self, session: Session) -> None:
        """A sign of life of a session that was just found; the store learns of it later."""
        if self._clock() - session.last_seen >= self.grain:
            self.sessions.touch(self.name, session.id)

    async def find(self, session_id: str) -> Session | None:
        """Raises StoreUnavailable."""
        return await self.sessions.find(self.name, session_id)

    async def open_session(
        self,
        user: User,
        attributes: Attributes,
        relogin: bool,
        instead_of: Collection[str] = (),
        method: str = "",
        tie: Tie = NO_TIE,
    ) -> Session:
        """A new session with what everybody gets added to its attributes; it will take the place of those ids, which
        the caller ends. Raises StoreUnavailable."""
        wanted = Attributes((*attributes.pairs, *self.config.static_attributes.pairs))
        kept, cut = wanted.trimmed(self.attribute_cap)
        if cut:
            log.warning("%s: attributes of %s beyond %d bytes were cut: %s", self.name, user, self.attribute_cap, cut)
        session = await self.sessions.open(self.name, user, kept, relogin, method, tie)
        await self._make_room(session, instead_of)
        return await self.mode.introduce(session)

    def identify(self, method: str, accept: Accept, address: str) -> Identity | Denied:
        """By the rules of the configuration; what an administrator should know of it is logged."""
        known = identify(accept, address, self._rules[method])
        if isinstance(known, Denied):
            log.warning("%s: login %s is refused (%s): %s", self.name, method, known.word, known.rule)
        elif known.cut:
            log.warning("%s: Qlik does not get of %s: %s", self.name, known.user, shown_cut(known.cut))
        return known

    async def renew(self, session: Session, sure: bool) -> None:
        """QPS forgot it, or (not `sure`) somebody says so: it is told again. Raises Refused, StoreUnavailable."""
        try:
            await self.mode.reassure(session, sure)
        except QpsError as error:
            log.error(NOT_TOLD, self.name, session.short, error)
            raise Refused(Failure.QPS_API, "see the log") from None

    def renew_soon(self, session: Session) -> None:
        """QPS refused it, seen here."""
        self._spawn(self._renew_logged(session))

    async def _renew_logged(self, session: Session) -> None:
        try:
            await self.mode.renew(session)
        except (QpsError, StoreUnavailable) as error:
            log.error(NOT_TOLD, self.name, session.short, error)

    async def target(self, session: Session, query: Mapping[str, str]) -> str:
        """What the targetId of QPS's redirect stands for, "" when that is not known. Never checked: see safe_next."""
        return await self.mode.target(session, query)

    async def _make_room(self, session: Session, instead_of: Collection[str]) -> None:
        """Before QPS learns of a session too many of one person, that person's oldest ones end.

        Sessions that QPS made count, as they do there, but only logins of ours are ended. Of several logins at once
        the last one finds all others, and none ends one that was made after itself: so they agree on who goes.
        """
        most = self.config.lifetime.most_sessions
        if most is None:
            return
        try:
            living = [one for one in await self.of_user(session.user) if one.id not in instead_of]
            before = itertools.takewhile(lambda one: one.id != session.id, living)
            ours = [one for one in before if not one.by_qlik]
            for one in ours[: max(0, len(living) - most)]:
                await self.end_session(one.id, End.SIXTH)
        except StoreUnavailable as error:
            log.warning("%s: no room could be made for session %s: %s", self.name, session.short, error)

    async def adopt(self, user: User, attributes: Attributes, session_id: str) -> Adopted:
        """A session that QPS made. Raises IdTaken, StoreUnavailable."""
        return await self._told.adopt(user, attributes, session_id)

    async def of_user(self, user: User) -> list[Session]:
        return await self.sessions.of_user(self.name, user)

    async def end_session(self, session_id: str, why: End) -> None:
        """Harmless for an unknown id and the second time. Raises StoreUnavailable: then nothing has changed."""
        session = await self.sessions.end(self.name, session_id, why)
        self.ended(session_id, session, why)

    async def ended_by_qlik(self, session_id: str) -> None:
        """QPS says that it ended a session: by hand, or because nothing came for its inactivity timeout. What lives
        here can go on after the latter, if the configuration wants it. Raises StoreUnavailable."""
        if self.config.lifetime.qlik_timeout == "keep":
            session = await self.sessions.latest(self.name, session_id)
            if session is not None and not session.by_qlik and self._silent(session):
                self._observer.audit("session_kept", vp=self.name, user=session.who, session=session.short)
                return
        await self.end_session(session_id, End.QLIK)

    def _silent(self, session: Session) -> bool:
        return self._clock() - session.last_seen >= SHORTEST_QLIK_TIMEOUT

    async def end_tied(self, keys: Collection[str], why: End) -> int:
        """All sessions with one of these keys in their tie. Raises StoreUnavailable."""
        tied = {session.id for key in set(keys) for session in await self.sessions.tied(self.name, key)}
        for session_id in tied:
            await self.end_session(session_id, why)
        return len(tied)

    def recheck(self) -> None:
        """Asks in the background about logins whose time has come. Never waits."""
        self._rechecks.look()

    async def end_user(self, user: User, why: End) -> None:
        for session in await self.of_user(user):
            await self.end_session(session.id, why)

    def ended(self, session_id: str, session: Session | None, why: End) -> None:
        """What follows when a session is out of the store: sockets are told and closed, the audit log has it."""
        sockets = self._tunnels.end(session_id, why)
        if session is not None:
            self.mode.leave(session, why)
            self._observer.audit(
                "session_ended", vp=self.name, user=str(session.user), session=session.short, why=why, sockets=sockets
            )

    def end_soon(self, session_id: str, why: End) -> None:
        """`end_session` for callers that cannot wait; a store that fails is logged, the session then stays."""
        self._spawn(self._logged(self.end_session(session_id, why), short_hash(session_id), why))

    def logged_out_in_hub(self, session: Session) -> None:
        """Qlik then ends all sessions of the user on this virtual proxy, whatever it can tell the session module."""
        self._spawn(self._logged(self._end_all_of(session, End.HUB_LOGOUT), session.short, End.HUB_LOGOUT))

    async def parted(self, mark: str) -> Session | None:
        """What is left of a session that its person ended in the hub, once. Raises StoreUnavailable."""
        return await self._partings.take(mark)

    async def _end_all_of(self, session: Session, why: End) -> None:
        await self._partings.keep(session)
        await self.end_session(session.id, why)
        await self.end_user(session.user, why)

    async def _logged(self, work: Coroutine[Any, Any, None], session: str, why: End) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - nobody waits for this task: the log is where it must be told
            log.error("%s: session %s could not be ended (%s): %s", self.name, session, why, error)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # sockets

    def tunnels_of(self, session_id: str) -> SessionTunnels:
        """Who owns the sockets of this session."""
        return self._tunnels.of(session_id)

    def sockets_of(self, session_id: str) -> int:
        """How many are open here; other workers may hold more."""
        return len(self._tunnels.of(session_id).tunnels)

    async def end_overdue(self) -> None:
        """Sessions with sockets here end when their time is over, and do not wait for the sweep of the store. While
        the store cannot be asked, the sockets of those that are over by what is known here close all the same."""
        reachable = True
        for session_id in self._tunnels.doubtful():
            reachable = reachable and await self._end_if_over(session_id)
            why = None if reachable else self.sessions.over_here(self.name, session_id)
            if why is not None:
                self._tunnels.end(session_id, why)

    async def _end_if_over(self, session_id: str) -> bool:
        """False when the store cannot tell."""
        try:
            if not await self.sessions.living(self.name, session_id):
                self.ended(session_id, None, End.LOGOUT)
        except StoreUnavailable:
            return False
        return True

    # logs

    def audit(self, event: LoginEvent) -> None:
        if event.kind == "login":
            self._observer.metrics.login(self.name, event.method, _metric_outcome(event.outcome))
        self._observer.audit(
            event.kind,
            vp=self.name,
            outcome=event.outcome,
            method=event.method,
            user=event.user,
            client=event.address,
            request_id=event.request_id,
            session=event.session,
        )

    async def close(self) -> None:
        await self._rechecks.close()
        for task in list(self._tasks):
            await task
        for way in self.ways:
            await way.method.close()
        await self.mode.close()


def _alike(cookie: bytes) -> re.Pattern[bytes]:
    """Finds, in a pair of a Cookie header, what a lenient reader may take for the cookie of that name."""
    return re.compile(rb"(?:^|[\s,\"])%b[\s\"\xa0]*=" % re.escape(cookie), re.IGNORECASE)


def _metric_outcome(outcome: str) -> str:
    if outcome in ("accepted", "throttled"):
        return outcome
    return "failed" if outcome in ("busy", "unavailable") else "refused"


def _one_host(config: VirtualProxyConfig, public: PublicConfig) -> OneHost:
    nodes = [upstream.host for upstream in config.upstreams]
    own = [split_host_port(host)[0] for host in public.hosts]
    server_name = config.upstream_tls.server_name if config.upstream_tls else None
    known = (*nodes, *own, *config.internal_names, *([server_name] if server_name else []))
    names = {bracketed(name.lower()) for name in known}
    ports = {str(upstream.port).encode() for upstream in config.upstreams}
    public_ports = {host.rpartition(":")[2].encode() for host in public.hosts if host.rpartition(":")[2].isdigit()}
    return OneHost(
        public.origin.encode(), frozenset(name.encode() for name in names), QLIK_PORTS | ports | public_ports
    )
