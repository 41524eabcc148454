"""A brake on guessing passwords: after some tries for one name from one address, the next ones have to wait.

The wait grows with each further try and concerns only that pair, so nobody can lock out somebody else. In memory and
bounded. It must not decide what a login is, only when the next try may be made.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from qproxy.clients import network_of

FREE_TRIES: Final = 5
LONGEST_WAIT: Final = 900.0
"""Seconds; reached at the tenth doubling."""
FORGET_AFTER: Final = 3600.0
"""Seconds without a try after which a pair starts afresh."""

Pair = tuple[str, str]


@dataclass(slots=True)
class _Tries:
    count: int
    last: float
    until: float


class Throttle:
    """`clock` gives monotonic seconds. At most `room` pairs are remembered."""

    def __init__(self, clock: Callable[[], float], *, room: int = 10_000) -> None:
        self._clock = clock
        self._room = room
        self._pairs: dict[Pair, _Tries] = {}

    def __len__(self) -> int:
        return len(self._pairs)

    def take(self, address: str, name: str) -> float:
        """0 when a try may be made now, which then counts until `forgive`; else the seconds to wait.

        Counting before the password is checked is what makes a thousand tries at once no better than one by one.
        """
        now = self._clock()
        pair = network_of(address), name
        tries = self._pairs.get(pair)
        if tries is None or now - tries.last >= FORGET_AFTER:
            tries = self._remember(pair, now)
        if now < tries.until:
            return tries.until - now
        tries.count += 1
        tries.last = now
        if tries.count >= FREE_TRIES:
            tries.until = now + min(2.0 ** (tries.count - FREE_TRIES), LONGEST_WAIT)
        return 0.0

    def forgive(self, address: str, name: str) -> None:
        """The try was right."""
        self._pairs.pop((network_of(address), name), None)

    def give_back(self, address: str, name: str) -> None:
        """The try could not be judged: it does not count."""
        tries = self._pairs.get((network_of(address), name))
        if tries is not None:
            tries.count -= 1
            tries.until = 0.0

    def _remember(self, pair: Pair, now: float) -> _Tries:
        self._pairs.pop(pair, None)
        if len(self._pairs) >= self._room:
            self._make_room(now)
        tries = self._pairs[pair] = _Tries(0, now, 0.0)
        return tries

    def _make_room(self, now: float) -> None:
        """Forgets what is over; else the pairs with the fewest tries: a flood of names must not hide real guessing.
        Some at once, so that looking at all of them is not what each further name costs."""
        for pair in [pair for pair, tries in self._pairs.items() if now - tries.last >= FORGET_AFTER]:
            del self._pairs[pair]
        if len(self._pairs) >= self._room:
            fewest = sorted(self._pairs, key=lambda pair: (self._pairs[pair].count, self._pairs[pair].last))
            for pair in fewest[: max(1, self._room // 20)]:
                del self._pairs[pair]
