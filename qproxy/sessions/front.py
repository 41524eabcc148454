"""The sessions as the gate and the session module see them: a cache, one per worker, in front of the store.

`peek` and `touch` are on the road of every request: a dict look-up, no await. What the cache holds was read from the
store, and is let go when it ends here, or when the store's tombstones say that it ended elsewhere. Must not close
sockets, tell QPS or write the audit log: who has to do that registers with `on_end` or `on_gone`.
"""

import asyncio
import logging
import math
from collections.abc import AsyncGenerator, Callable, Mapping
from functools import partial

from qproxy.model import NO_TIE, Attributes, End, Lifetime, Session, Tie, User, new_session_id
from qproxy.sessions.cache import Cache, Unknown
from qproxy.sessions.flights import Flights
from qproxy.sessions.pace import Pace, QlikMade
from qproxy.sessions.rounds import Rounds
from qproxy.sessions.store import Store, store_key

logger = logging.getLogger("qproxy.sessions")

Listener = Callable[[Session, End], None]
Clock = Callable[[], float]

SWEPT_AT_ONCE = 500
CHECKED_AT_ONCE = 32


class Sessions:
    """One per worker. `lifetimes` is read at each look-up, so a reload may change it in place."""

    def __init__(
        self,
        store: Store,
        lifetimes: Mapping[str, Lifetime],
        clock: Clock,
        qlik_made: QlikMade | None = None,
        pace: Pace | None = None,
    ) -> None:
        self.store = store
        self._lifetimes = lifetimes
        self._clock = clock
        self._qlik_made = qlik_made or QlikMade()
        self._pace = pace or Pace()
        self._cache = Cache()
        self._unknown = Unknown(self._pace.unknown, self._pace.unknown_most)
        self._flights = Flights()
        self._rounds = Rounds()
        self._end_listeners: list[Listener] = []
        self._gone_listeners: list[Listener] = []
        self._mark = 0
        self._sure = False
        self._heard = -math.inf
        self._trusted_until = math.inf

    def __len__(self) -> int:
        """How many sessions are known here."""
        return len(self._cache)

    # The road of a request

    def peek(self, vp: str, session_id: str) -> Session | None:
        """The session if it is known here and lives now; None means `find` must be asked. Never waits."""
        entry = self._cache.entries.get((vp, session_id))
        if entry is None:
            return None
        now, session = self._clock(), entry.session
        lifetime = self._lifetimes.get(vp) if not session.by_qlik else self._qlik_made.lifetime
        if lifetime is None or now > self._trusted_until or not session.alive(lifetime, now):
            return None
        return session

    def touch(self, vp: str, session_id: str) -> None:
        """A sign of life; a session that is over does not come back by it. Never waits."""
        entry = self._cache.entries.get((vp, session_id))
        if entry is None:
            return
        now = self._clock()
        if now > entry.session.last_seen and self._lives(entry.session, now):
            self._cache.touched(entry, now)

    async def find(self, vp: str, session_id: str) -> Session | None:
        """The living session, from here or from the store. Raises StoreUnavailable when that cannot be known."""
        if (session := self.peek(vp, session_id)) is not None:
            return session
        key = store_key(vp, session_id)
        if self._unknown.holds(key, self._clock()):
            return None
        return await self._flights.join(key, partial(self._read, vp, session_id, key))

    async def living(self, vp: str, session_id: str) -> bool:
        """As the store knows it now; a session whose time is over ends by this, and `on_end` is told. Raises
        StoreUnavailable."""
        if await self.find(vp, session_id) is not None:
            return True
        session = await self.store.get(vp, session_id)
        return session is not None and not await self._bury(session)

    def over_here(self, vp: str, session_id: str) -> End | None:
        """Why it is over by what is known here, where a later sign of life may be missing. Never waits."""
        entry = self._cache.entries.get((vp, session_id))
        lifetime = self.lifetime_of(entry.session) if entry is not None else None
        return entry.session.over(lifetime, self._clock()) if entry is not None and lifetime is not None else None

    async def latest(self, vp: str, session_id: str) -> Session | None:
        """As the store has it, over or not, with the later last-seen time of both. Raises StoreUnavailable."""
        session = await self.store.get(vp, session_id)
        return session and self._fresh(session)

    async def _read(self, vp: str, session_id: str, key: bytes) -> Session | None:
        session = await self.store.get(vp, session_id)
        if not self._flights.current(key):
            return self.peek(vp, session_id)
        if session is None:
            self._gone(key, End.LOGOUT)
            self._unknown.remember(key, self._clock())
            return None
        session = self._fresh(session)
        return self._cache.keep(session, key) if self._lives(session, self._clock()) else None

    # How sessions come and go

    async def open(
        self, vp: str, user: User, attributes: Attributes, relogin: bool = False, method: str = "", tie: Tie = NO_TIE
    ) -> Session:
        """A new session with a new id, for somebody who has just proved who they are."""
        now, new = self._clock(), new_session_id()
        session = Session(new, vp, user, attributes, now, now, relogin=relogin, method=method, tie=tie)
        return self._keep(await self.store.put(session))

    async def adopt(self, session: Session) -> Session:
        """Keeps a session that QPS made; gives back what is kept, which is the earlier one if it was told of before.

        Raises IdTaken, and changes nothing, if the id is another user's.
        """
        if not session.by_qlik:
            raise ValueError("only sessions that QPS made are adopted")
        kept = self._fresh(await self.store.put(session))
        if not self._lives(kept, self._clock()):
            await self._bury(kept)
            kept = await self.store.put(session)
        kept = self._keep(kept)
        await self._make_room(session.vp)
        return kept

    async def link(self, session: Session, qlik_id: str) -> Session | None:
        """Notes under which id QPS knows it; gives back what is kept, perhaps another worker's; None if it is over.

        `qlik_id` "" changes nothing: it asks what other workers noted.
        """
        kept = await (self.store.link(session, qlik_id) if qlik_id else self.store.get(session.vp, session.id))
        return self._noted(session, kept)

    async def retie(self, session: Session, tie: Tie) -> Session | None:
        """Keeps what the session knows of its login from now on; gives back what `Store.retie` does."""
        return self._noted(session, await self.store.retie(session, tie))

    def due(self, vp: str) -> list[Session]:
        """Those known here whose identity provider is to be asked, as they were used since their time came."""
        return self._cache.due_in(vp, self._clock())

    async def tied(self, vp: str, key: str) -> list[Session]:
        """Whatever their times: with that key in their tie."""
        return await self.store.tied(vp, key)

    async def end(self, vp: str, session_id: str, why: End = End.LOGOUT) -> Session | None:
        """Ends it everywhere: here at once, on other workers within a second. None if there was none (any more).

        Listeners of `on_end` are not told: the caller knows. Those of `on_gone` are, if another worker was faster.
        When StoreUnavailable is raised nothing has changed.
        """
        key = store_key(vp, session_id)
        session = await self.store.delete(vp, session_id, why, self._clock())
        if session is None:
            self._gone(key, why)
        self._let_go(key)
        self._unknown.remember(key, self._clock())
        return session

    async def of_user(self, vp: str, user: User) -> list[Session]:
        """That user's living sessions, whoever made them; names are compared without regard to case."""
        now = self._clock()
        found = [self._fresh(session) for session in await self.store.of_user(vp, user)]
        return [session for session in found if self._lives(session, now)]

    async def each(self, vp: str) -> AsyncGenerator[Session, None]:
        """All of that virtual proxy's living sessions, as `Store.each` says."""
        async for session in self.store.each(vp):
            if self._lives(fresh := self._fresh(session), self._clock()):
                yield fresh

    async def count(self, vp: str, by_qlik: bool = False) -> int:
        return await self.store.count(vp, by_qlik)

    # Who wants to be told

    def on_end(self, listener: Listener) -> None:
        """To be told, on one worker only, of each session that ended by itself: its time was over or it gave way."""
        self._end_listeners.append(listener)

    def on_gone(self, listener: Listener) -> None:
        """To be told of each session known here that another worker ended; QPS and the audit log know already."""
        self._gone_listeners.append(listener)

    # What goes on in the background

    @property
    def troubles(self) -> Mapping[str, str]:
        """Why the store cannot be followed, written or swept at the moment; empty when all is well."""
        return self._rounds.troubles

    async def start(self) -> None:
        """Starts to follow, write and sweep. From now on the cache is trusted only while the store answers."""
        self._trusted_until = -math.inf
        await self._rounds.attempt("follow", self.follow)
        self._rounds.start("follow", self.follow, self._pace.follow)
        self._rounds.start("write", self.flush, self._pace.follow)
        self._rounds.start("sweep", self.sweep, self._pace.sweep)

    async def stop(self) -> None:
        """Stops that and writes what is not yet written. The store stays open: it belongs to who made it."""
        await self._rounds.stop()
        await self._rounds.attempt("write", partial(self.flush, everything=True))

    async def flush(self, everything: bool = False) -> None:
        """Writes the last-seen times that are due, in one batch."""
        now = self._clock()
        times = {
            place: entry.session.last_seen
            for place, entry in self._cache.unwritten()
            if everything or now - entry.written >= self._write_pace(entry.session)
        }
        if times:
            await self.store.seen(times)
            self._cache.written(times)

    async def sweep(self) -> None:
        """Ends what is over. Last-seen times are written before, so nobody is judged by an old one."""
        await self.flush()
        for vp, lifetime in list(self._lifetimes.items()):
            await self._sweep(vp, False, lifetime)
            await self._sweep(vp, True, self._qlik_made.lifetime)
        await self.store.forget_ended(self._clock() - self._pace.tombstones)

    async def follow(self) -> None:
        """Lets go of what ended elsewhere since the last time; after an outage or a long absence checks everything."""
        now = self._clock()
        sure, self._sure = self._sure and now - self._heard <= self._pace.tombstones / 2, False
        latest = await self.store.mark()
        if latest < self._mark:  # it is not the store that it was
            sure, self._mark, latest = False, 0, await self.store.mark()
        if latest > self._mark:
            await self._let_go_of_ended()
        if not sure:
            await self._check_all()
        self._sure, self._heard = True, now
        if self._trusted_until < math.inf:
            self._trusted_until = now + self._pace.grace

    async def _let_go_of_ended(self) -> None:
        for tombstone in await self.store.ended_since(self._mark):
            self._mark = tombstone.mark
            self._gone(tombstone.key, tombstone.why)

    async def _check_all(self) -> None:
        known = [(place, entry.key) for place, entry in self._cache.entries.items()]
        for start in range(0, len(known), CHECKED_AT_ONCE):
            some = known[start : start + CHECKED_AT_ONCE]
            found = await asyncio.gather(*(self.store.get(*place) for place, _ in some))
            for (_, key), session in zip(some, found, strict=True):
                if session is None:
                    self._gone(key, End.LOGOUT)

    async def _sweep(self, vp: str, by_qlik: bool, lifetime: Lifetime) -> None:
        while True:
            found = await self.store.expired(vp, by_qlik, lifetime, self._clock(), SWEPT_AT_ONCE)
            buried = [session for session in found if await self._bury(session)]
            if len(found) < SWEPT_AT_ONCE or not buried:
                return

    async def _make_room(self, vp: str) -> None:
        surplus = await self.store.count(vp, True) - self._qlik_made.cap
        if surplus > 0:
            for session in await self.store.oldest_by_qlik(vp, surplus):
                await self._close(session, End.REPLACED)

    # Steps of the above

    def lifetime_of(self, session: Session) -> Lifetime | None:
        """None on a virtual proxy that is not configured: its sessions do not live."""
        return self._qlik_made.lifetime if session.by_qlik else self._lifetimes.get(session.vp)

    def _lives(self, session: Session, now: float) -> bool:
        lifetime = self.lifetime_of(session)
        return lifetime is not None and session.alive(lifetime, now)

    def _write_pace(self, session: Session) -> float:
        lifetime = self.lifetime_of(session)
        return min(self._pace.write, lifetime.idle / 4) if lifetime else 0.0

    def _fresh(self, session: Session) -> Session:
        """With the last-seen time known here, where that is later than the store's."""
        entry = self._cache.entries.get((session.vp, session.id))
        return session.seen(entry.session.last_seen) if entry else session

    def _keep(self, session: Session) -> Session:
        key = store_key(session.vp, session.id)
        self._unknown.forget(key)
        self._flights.void(key)
        return self._cache.keep(session, key)

    def _noted(self, session: Session, kept: Session | None) -> Session | None:
        key = store_key(session.vp, session.id)
        if kept is None:
            self._gone(key, End.LOGOUT)
            return None
        known = (session.vp, session.id) in self._cache.entries  # if not, it may have ended while the store was asked
        return self._cache.keep(kept, key) if known else kept

    def _let_go(self, key: bytes) -> Session | None:
        self._flights.void(key)
        return self._cache.drop(key)

    def _gone(self, key: bytes, why: End) -> None:
        if (session := self._let_go(key)) is not None:
            _tell(self._gone_listeners, session, why)

    async def _bury(self, session: Session) -> bool:
        """Ends a session if it is over by now."""
        lifetime = self.lifetime_of(session)
        why = self._fresh(session).over(lifetime, self._clock()) if lifetime else None
        return why is not None and await self._close(session, why)

    async def _close(self, session: Session, why: End) -> bool:
        if await self.end(session.vp, session.id, why) is None:
            return False
        _tell(self._end_listeners, session, why)
        return True


def _tell(listeners: list[Listener], session: Session, why: End) -> None:
    for listener in listeners:
        try:
            listener(session, why)
        except Exception:
            logger.exception("sessions: a listener failed for the end of session %s", session.short)
