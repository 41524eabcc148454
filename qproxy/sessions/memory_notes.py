"""Notes in this process alone: for the demo, and where one process serves with a store in memory. See qproxy.notes."""

from collections import defaultdict
from collections.abc import Callable
from typing import Final

from qproxy.notes import MOST, MOST_OF_ONE, MOST_OF_STRANGERS
from qproxy.sessions.store import StoreUnavailable

MOST_ONCE: Final = 200_000
Kept = dict[str, tuple[bytes, float, str]]
"""Value, until when, by whom."""


class MemoryNotes:
    """`clock`: seconds since the epoch. What is put may push out the oldest; what was used once is never pushed out, so
    where it has no room nothing can be used."""

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        room: int = MOST,
        strangers: int = MOST_OF_STRANGERS,
        one: int = MOST_OF_ONE,
        once: int = MOST_ONCE,
    ) -> None:
        self._clock = clock
        self._rooms = {False: room, True: strangers}
        self._room_of_one = one
        self._once_room = once
        self._kept: dict[bool, Kept] = {False: {}, True: {}}
        self._by: defaultdict[str, dict[str, None]] = defaultdict(dict)
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

    async def put(self, key: str, value: bytes, until: float, by: str = "") -> None:
        self._drop(key)
        kept = self._kept[bool(by)]
        if len(kept) >= self._rooms[bool(by)]:
            self._make_room(kept, self._rooms[bool(by)])
        if by:
            if len(self._by[by]) >= self._room_of_one:
                self._drop(next(iter(self._by[by])))
            self._by[by][key] = None
        kept[key] = value, until, by

    async def take(self, key: str) -> bytes | None:
        found = await self.look(key)
        self._drop(key)
        return found

    async def look(self, key: str) -> bytes | None:
        found = self._kept[False].get(key) or self._kept[True].get(key)
        return found[0] if found is not None and self._clock() < found[1] else None

    def _make_room(self, kept: Kept, room: int) -> None:
        """Some more than is needed at once, so that a flood does not go through all of them each time."""
        now = self._clock()
        for key in [key for key, (_, until, _) in kept.items() if until <= now]:
            self._drop(key)
        while len(kept) >= room - room // 100:
            self._drop(next(iter(kept)))

    def _drop(self, key: str) -> None:
        for kept in self._kept.values():
            _, _, by = kept.pop(key, (b"", 0.0, ""))
            if by:
                del self._by[by][key]
                if not self._by[by]:
                    del self._by[by]
