"""Which sessions their identity provider is to be asked about: those whose time has come, and that were used since.

Pure book-keeping without I/O or a clock, in so far as a worker knows the sessions. Nothing here is on the road of a
request: a session is looked at when its tie changes, when its time comes, and, if it rested until then, when it is used
again. Must not judge: `rechecks` asks.
"""

from heapq import heappop, heappush
from typing import Final

Place = tuple[str, str]
"""Virtual proxy and session id."""
COME_AT_ONCE: Final = 1000
"""Thousands of logins of one morning are due within one minute: the loop has others to serve."""


class Due:
    def __init__(self) -> None:
        self._times: dict[Place, float] = {}
        self._order: list[tuple[float, Place]] = []
        self.resting: dict[Place, float] = {}
        """Due, but not used since; with the time at which they became due."""
        self._used: dict[str, dict[str, None]] = {}

    def plan(self, place: Place, check_at: float) -> None:
        """The session is due at that time and not before; 0 for never."""
        if self._times.get(place, 0.0) == check_at:
            return
        self.forget(place)
        if check_at:
            self._times[place] = check_at
            heappush(self._order, (check_at, place))

    def forget(self, place: Place) -> None:
        if self._times.pop(place, 0.0):
            self.resting.pop(place, None)
            self._used.get(place[0], {}).pop(place[1], None)

    def used(self, place: Place, at: float) -> None:
        """A session that rested shows a sign of life."""
        if at >= self.resting.get(place, at + 1):
            del self.resting[place]
            self._used.setdefault(place[0], {})[place[1]] = None

    def come(self, now: float) -> list[Place]:
        """Some of those whose time has come: they rest from now on, until they are said to be used."""
        come: list[Place] = []
        while self._order and self._order[0][0] <= now and len(come) < COME_AT_ONCE:
            at, place = heappop(self._order)
            if self._times.get(place) == at:
                self.resting[place] = at
                come.append(place)
        return come

    def of(self, vp: str) -> list[str]:
        """Ids of sessions that are due, each until it is planned anew or forgotten."""
        return list(self._used.get(vp, ()))
