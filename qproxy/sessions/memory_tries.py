"""Tries counted in this process alone, where one process serves with a store in memory. See qproxy.tries."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from qproxy.tries import ROOM, Label, Limits, Tried


class MemoryTries:
    """`clock`: seconds since the epoch."""

    def __init__(self, clock: Callable[[], float], *, room: int = ROOM) -> None:
        self._clock = clock
        self._room = room
        self._kept: dict[Label, Tried] = {}

    async def take(self, wanted: Mapping[Label, Limits]) -> float:
        now = self._clock()
        found = {label: self._kept.get(label, Tried(label, 0, now, 0.0)) for label in wanted}
        wait = max(tried.wait(wanted[label], now) for label, tried in found.items())
        if wait == 0:
            self._kept.update((label, tried.again(wanted[label], now)) for label, tried in found.items())
            self._make_room(now)
        return wait

    async def settle(self, dropped: Sequence[Label], given_back: Sequence[Label] = ()) -> None:
        for label in dropped:
            self._kept.pop(label, None)
        for label in given_back:
            tried = self._kept.pop(label, None)
            if tried is not None and tried.count > 1:
                self._kept[label] = tried.given_back()

    async def each(self) -> AsyncIterator[Tried]:
        for tried in list(self._kept.values()):
            if tried.counts(self._clock()):
                yield tried

    def _make_room(self, now: float) -> None:
        """Some more than is needed at once, so that a flood does not go through all of them each time."""
        if len(self._kept) > self._room:
            kept = [tried for tried in self._kept.values() if tried.counts(now)]
            kept.sort(key=lambda tried: (tried.count, tried.last), reverse=True)
            self._kept = {tried.label: tried for tried in kept[: self._room - self._room // 100]}
