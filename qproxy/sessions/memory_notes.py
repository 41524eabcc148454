"""Notes in this process alone: for the demo, and where one process serves with a store in memory. See qproxy.notes."""

from collections.abc import Callable
from typing import Final

from qproxy.sessions.store import StoreUnavailable

MOST_PUT: Final = 20_000
MOST_ONCE: Final = 200_000


class MemoryNotes:
    """`clock`: seconds since the epoch. What is put may push out the oldest; what was used once is never pushed out, so
    where it has no room nothing can be used."""

    def __init__(self, clock: Callable[[], float], *, room: int = MOST_PUT, once: int = MOST_ONCE) -> None:
        self._clock = clock
        self._room = room
        self._once_room = once
        self._kept: dict[str, tuple[bytes, float]] = {}
        self._used: dict[str, float] = {}

    async def once(self, key: str, until: float) -> bool:
        now = self._clock()
        if now < self._used.get(key, 0.0) or await self.look(key) is not None:
            return False
        if len(self._used) >= self._once_room:
            self._used = {one: end for one, end in self._used.items() if now < end}
        if len(self._used) >= self._once_room:
            raise StoreUnavailable("there were too many logins within minutes: use a store on disk (sessions.store)")
        self._used[key] = until
        return True

    async def put(self, key: str, value: bytes, until: float) -> None:
        self._kept.pop(key, None)
        if len(self._kept) >= self._room:
            self._make_room()
        self._kept[key] = value, until

    async def take(self, key: str) -> bytes | None:
        found = await self.look(key)
        self._kept.pop(key, None)
        return found

    async def look(self, key: str) -> bytes | None:
        value, until = self._kept.get(key, (b"", 0.0))
        return value if self._clock() < until else None

    def _make_room(self) -> None:
        now = self._clock()
        self._kept = {key: kept for key, kept in self._kept.items() if now < kept[1]}
        while len(self._kept) >= self._room:
            del self._kept[next(iter(self._kept))]
