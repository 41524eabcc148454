"""A brake on guessing passwords: after some tries for one name from one address, the next ones have to wait.

The wait grows with each further try and concerns only that pair, so nobody can lock out somebody else. In memory that
all workers see, and bounded. It must not decide what a login is, only when the next try may be made.
"""

from collections.abc import Callable
from typing import Final

from qproxy.clients import network_of
from qproxy.shared_memory import TRIES_BYTES, Section, Table, Values

FREE_TRIES: Final = 5
LONGEST_WAIT: Final = 900.0
"""Seconds; reached at the tenth doubling."""
FORGET_AFTER: Final = 3600.0
"""Seconds without a try after which a pair starts afresh."""
TRIES: Final = "Idd"
"""How many, when the last one was, until when the next has to wait."""


class Throttle:
    """`clock` gives monotonic seconds, the same in all workers. At most `room` pairs are remembered in a section;
    `place` tells those of one throttle from those of another one in it. `free` tries are not slowed down; `longest`:
    seconds that nobody has to wait longer."""

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        room: int = 10_000,
        section: Section | None = None,
        place: str = "",
        free: int = FREE_TRIES,
        longest: float = LONGEST_WAIT,
    ) -> None:
        self._free = free
        self._longest = longest
        self._clock = clock
        self._place = place
        self._table = Table(section or Section.private(TRIES_BYTES), TRIES, room)

    def __len__(self) -> int:
        now = self._clock()
        return sum(self._current(tries, now) for tries in self._table)

    def take(self, address: str, name: str) -> float:
        """0 when a try may be made now, which then counts until `forgive`; else the seconds to wait.

        Counting before the password is checked is what makes a thousand tries at once no better than one by one.
        """
        now, key = self._clock(), self._key(address, name)
        with self._table.alone():
            found = self._table.get(key)
            count, _, until = found if found is not None and self._current(found, now) else (0, now, 0.0)
            if now < until:
                return float(until - now)
            count += 1
            if count >= self._free:
                until = now + min(2.0 ** (count - self._free), self._longest)
            self._put(key, (count, now, until), now)
        return 0.0

    def forgive(self, address: str, name: str) -> None:
        """The try was right."""
        with self._table.alone():
            self._table.drop(self._key(address, name))

    def give_back(self, address: str, name: str) -> None:
        """The try could not be judged: it does not count."""
        key = self._key(address, name)
        with self._table.alone():
            tries = self._table.get(key)
            if tries is not None:
                self._put(key, (max(0, tries[0] - 1), tries[1], 0.0), self._clock())

    def _key(self, address: str, name: str) -> bytes:
        return self._table.key(self._place, network_of(address), name)

    def _put(self, key: bytes, tries: Values, now: float) -> None:
        """Where there is no room, what is over gives way; else the pair with the fewest tries: a flood of names must
        not hide real guessing."""
        self._table.put(key, tries, lambda other: (self._current(other, now), other[0], other[1]))

    @staticmethod
    def _current(tries: Values, now: float) -> bool:
        return bool(now - tries[1] < FORGET_AFTER)
