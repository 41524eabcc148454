"""A worker's sessions with a store that can be watched, held up and broken."""

import asyncio
from collections import Counter
from collections.abc import Mapping

from some_sessions import JOHN, LIFETIME, Clock

from qproxy.model import Attributes, End, Lifetime, Session, Tie, User
from qproxy.sessions.front import Sessions
from qproxy.sessions.memory import MemoryStore
from qproxy.sessions.pace import Pace, QlikMade
from qproxy.sessions.store import Store, StoreUnavailable

QLIK_MADE = QlikMade(Lifetime(idle=30, absolute=100), cap=5)
FAST = Pace(follow=0.01, sweep=0.01)


class WatchedStore(MemoryStore):
    """Counts what it is asked, can hold answers back until `free` is set, and can be out of order."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: Counter[str] = Counter()
        self.free = asyncio.Event()
        self.free.set()
        self.broken = False
        self.not_retied = 0
        """So many times it does not take a new tie."""

    async def get(self, vp: str, session_id: str) -> Session | None:
        self.note("get")
        session = await super().get(vp, session_id)
        await self.free.wait()
        return session

    async def retie(self, session: Session, tie: Tie) -> Session | None:
        if self.not_retied:
            self.not_retied -= 1
            raise StoreUnavailable("the disk is full")
        return await super().retie(session, tie)

    async def seen(self, times: Mapping[tuple[str, str], float]) -> None:
        self.note("seen")
        self.asked["times"] += len(times)
        await super().seen(times)

    async def delete(self, vp: str, session_id: str, why: End, now: float) -> Session | None:
        self.note("delete")
        return await super().delete(vp, session_id, why, now)

    async def mark(self) -> int:
        self.note("mark")
        return await super().mark()

    def note(self, what: str) -> None:
        if self.broken:
            raise StoreUnavailable("the disk is full")
        self.asked[what] += 1


class Told:
    """Who was told of which end."""

    def __init__(self, sessions: Sessions) -> None:
        self.ended: list[tuple[str, End]] = []
        self.gone: list[tuple[str, End]] = []
        sessions.on_end(lambda session, why: self.ended.append((session.id, why)))
        sessions.on_gone(lambda session, why: self.gone.append((session.id, why)))


def a_worker(store: Store, clock: Clock, pace: Pace | None = None) -> Sessions:
    return Sessions(store, {"sales": LIFETIME, "hr": LIFETIME}, clock, QLIK_MADE, pace)


async def opened(sessions: Sessions, user: User = JOHN, vp: str = "sales") -> Session:
    return await sessions.open(vp, user, Attributes())
