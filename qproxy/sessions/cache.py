"""What one worker knows of the sessions that it serves, and, briefly, which ids are nobody's.

Pure book-keeping without I/O or a clock. Must not judge whether a session lives: `front` does, at each look-up.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from qproxy.model import Session
from qproxy.sessions.due import Due, Place


@dataclass(slots=True)
class Entry:
    session: Session
    key: bytes
    written: float
    """The last-seen time that the store has."""


class Cache:
    """Sessions by place for requests, and by store key for tombstones."""

    def __init__(self) -> None:
        self.entries: dict[Place, Entry] = {}
        self._places: dict[bytes, Place] = {}
        self._unwritten: dict[Place, Entry] = {}
        self.due = Due()

    def __len__(self) -> int:
        return len(self.entries)

    def keep(self, session: Session, key: bytes) -> Session:
        """Takes what the store said, but never a last-seen time that is older than the one known here."""
        place = (session.vp, session.id)
        self.due.plan(place, session.tie.check_at)
        if (known := self.entries.get(place)) is None:
            self.entries[place] = Entry(session, key, session.last_seen)
            self._places[key] = place
            return session
        known.written = max(known.written, session.last_seen)
        known.session = session.seen(known.session.last_seen)
        return known.session

    def drop(self, key: bytes) -> Session | None:
        if (place := self._places.pop(key, None)) is None:
            return None
        self._unwritten.pop(place, None)
        self.due.forget(place)
        return self.entries.pop(place).session

    def touched(self, entry: Entry, now: float) -> None:
        entry.session = entry.session.seen(now)
        place = (entry.session.vp, entry.session.id)
        self._unwritten[place] = entry
        if self.due.resting:
            self.due.used(place, now)

    def due_in(self, vp: str, now: float) -> list[Session]:
        for place in self.due.come(now):
            self.due.used(place, self.entries[place].session.last_seen)
        return [self.entries[vp, session_id].session for session_id in self.due.of(vp)]

    def unwritten(self) -> Iterator[tuple[Place, Entry]]:
        return iter(self._unwritten.items())

    def written(self, times: dict[Place, float]) -> None:
        for place, time in times.items():
            if (entry := self._unwritten.get(place)) is not None:
                entry.written = time
                if entry.session.last_seen <= time:
                    del self._unwritten[place]


class Unknown:
    """Ids that the store did not know a moment ago, by key; bounded, the oldest give way."""

    def __init__(self, seconds: float, most: int) -> None:
        self._seconds = seconds
        self._most = most
        self._since: dict[bytes, float] = {}

    def remember(self, key: bytes, now: float) -> None:
        self._since.pop(key, None)
        if len(self._since) >= self._most:
            del self._since[next(iter(self._since))]
        self._since[key] = now

    def holds(self, key: bytes, now: float) -> bool:
        """Also false when the clock was set back: better a read too many than a session refused."""
        return key in self._since and 0 <= now - self._since[key] < self._seconds

    def forget(self, key: bytes) -> None:
        self._since.pop(key, None)
