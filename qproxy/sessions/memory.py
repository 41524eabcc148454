"""Sessions in this process's memory: for the demo and for tests. A restart logs everybody out.

Must not be used by several workers: each would have sessions of its own. Nothing is encrypted, nothing is written.
"""

from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from qproxy.model import End, Lifetime, Session, Tie, User
from qproxy.notes import Notes
from qproxy.sessions.memory_notes import MemoryNotes
from qproxy.sessions.memory_tries import MemoryTries
from qproxy.sessions.store import StoreUnavailable, Tombstone, folded, require_owner, store_key
from qproxy.tries import Tries


class MemoryStore:
    """Insertion order of the dicts is the order in which sessions were put."""

    def __init__(self) -> None:
        self._groups: defaultdict[tuple[str, bool], dict[bytes, Session]] = defaultdict(dict)
        self._users: defaultdict[tuple[str, str, str], dict[bytes, bool]] = defaultdict(dict)
        self._tied: defaultdict[tuple[str, str], set[bytes]] = defaultdict(set)
        self._ended: deque[Tombstone] = deque()
        self._mark = 0
        self._closed = False

    async def check(self) -> None:
        self._require_open()

    async def put(self, session: Session) -> Session:
        self._require_open()
        key = store_key(session.vp, session.id)
        if (kept := self._find(session.vp, key)) is not None:
            return require_owner(kept, session)
        self._groups[session.vp, session.by_qlik][key] = session
        self._users[session.vp, *folded(session.user)][key] = session.by_qlik
        self._tie(session, key)
        return session

    async def get(self, vp: str, session_id: str) -> Session | None:
        self._require_open()
        return self._find(vp, store_key(vp, session_id))

    async def link(self, session: Session, qlik_id: str) -> Session | None:
        self._require_open()
        key = store_key(session.vp, session.id)
        kept = self._find(session.vp, key)
        if kept is None or kept.qlik_id != session.qlik_id:
            return kept
        linked = replace(kept, qlik_id=qlik_id)
        self._groups[session.vp, kept.by_qlik][key] = linked
        return linked

    async def tied(self, vp: str, key: str) -> list[Session]:
        self._require_open()
        found = [self._find(vp, one) for one in self._tied.get((vp, key), ())]
        return [session for session in found if session is not None]

    async def retie(self, session: Session, tie: Tie) -> Session | None:
        self._require_open()
        key = store_key(session.vp, session.id)
        kept = self._find(session.vp, key)
        if kept is None or kept.tie != session.tie:
            return kept
        retied = replace(kept, tie=tie)
        self._untie(kept, key)
        self._groups[session.vp, kept.by_qlik][key] = retied
        self._tie(retied, key)
        return retied

    async def of_user(self, vp: str, user: User) -> list[Session]:
        self._require_open()
        return [self._groups[vp, by_qlik][key] for key, by_qlik in self._users.get((vp, *folded(user)), {}).items()]

    async def seen(self, times: Mapping[tuple[str, str], float]) -> None:
        self._require_open()
        for (vp, session_id), time in times.items():
            key = store_key(vp, session_id)
            if (session := self._find(vp, key)) is not None:
                self._groups[vp, session.by_qlik][key] = session.seen(time)

    async def delete(self, vp: str, session_id: str, why: End, now: float) -> Session | None:
        self._require_open()
        key = store_key(vp, session_id)
        if (session := self._find(vp, key)) is None:
            return None
        del self._groups[vp, session.by_qlik][key]
        self._forget_user(vp, session.user, key)
        self._untie(session, key)
        self._mark += 1
        self._ended.append(Tombstone(self._mark, vp, key, now, why))
        return session

    async def mark(self) -> int:
        self._require_open()
        return self._mark

    async def ended_since(self, mark: int) -> list[Tombstone]:
        self._require_open()
        return list(reversed(list(self._newer(mark))))

    async def forget_ended(self, before: float) -> None:
        self._require_open()
        self._ended = deque(tombstone for tombstone in self._ended if tombstone.at >= before)

    async def expired(self, vp: str, by_qlik: bool, lifetime: Lifetime, now: float, limit: int) -> list[Session]:
        self._require_open()
        over = (session for session in self._groups[vp, by_qlik].values() if session.over(lifetime, now))
        return list(islice(over, limit))

    async def count(self, vp: str, by_qlik: bool) -> int:
        self._require_open()
        return len(self._groups[vp, by_qlik])

    async def oldest_by_qlik(self, vp: str, limit: int) -> list[Session]:
        self._require_open()
        return list(islice(self._groups[vp, True].values(), limit))

    async def each(self, vp: str | None = None) -> AsyncIterator[Session]:
        self._require_open()
        groups = [group for (name, _), group in self._groups.items() if vp is None or name == vp]
        for group in groups:
            for key in list(group):
                if (session := group.get(key)) is not None:
                    yield session

    def notes(self, clock: Callable[[], float]) -> Notes:
        return MemoryNotes(clock)

    def tries(self, clock: Callable[[], float]) -> Tries:
        return MemoryTries(clock)

    def use_keys(self, keys: Sequence[bytes]) -> None:
        """Nothing is sealed here."""

    async def close(self) -> None:
        self._closed = True

    def _require_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("the session store is closed")

    def _find(self, vp: str, key: bytes) -> Session | None:
        return self._groups[vp, False].get(key) or self._groups[vp, True].get(key)

    def _forget_user(self, vp: str, user: User, key: bytes) -> None:
        name = (vp, *folded(user))
        del self._users[name][key]
        if not self._users[name]:
            del self._users[name]

    def _tie(self, session: Session, key: bytes) -> None:
        for one in session.tie.keys:
            self._tied[session.vp, one].add(key)

    def _untie(self, session: Session, key: bytes) -> None:
        for one in set(session.tie.keys):
            self._tied[session.vp, one].discard(key)
            if not self._tied[session.vp, one]:
                del self._tied[session.vp, one]

    def _newer(self, mark: int) -> Iterator[Tombstone]:
        for tombstone in reversed(self._ended):
            if tombstone.mark <= mark:
                return
            yield tombstone
