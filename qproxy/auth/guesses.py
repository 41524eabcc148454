"""Whether somebody may try a name now: guesses are counted by pair of network and name, by network, and by name.

A pair waits longest, for that is where guessing shows. A network that tries many names, and a name that many networks
try, wait too, the latter never long; but neither concerns a name in a network from which it logged in before: strangers
cannot lock a person out, nor colleagues an office behind one address. Counted before a password is judged, in memory
that all workers see.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from qproxy.auth.throttle import TRIES, Throttle
from qproxy.clients import network_of
from qproxy.notes import Notes
from qproxy.shared_memory import TRIES_BYTES, Section, Table

USUAL_SECONDS: Final = 30 * 86400.0
"""So long a network stays a usual one of a name after a login."""
ROOM: Final = 10_000
_ANY: Final = "\0any"
"""No name holds it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many tries are free, and the longest wait in seconds."""

    free: int
    longest: float


PAIR: Final = Limits(5, 900.0)
NETWORK: Final = Limits(100, 300.0)
NAME: Final = Limits(20, 60.0)


class Guesses:
    """`clock` gives monotonic seconds, the same in all workers; `wall` seconds since the epoch; `section` is memory of
    all workers."""

    def __init__(
        self, clock: Callable[[], float], wall: Callable[[], float], notes: Notes, section: Section | None = None
    ) -> None:
        self._clock = clock
        self._wall = wall
        self._notes = notes
        self._section = section = section or Section.private(TRIES_BYTES)
        self._cleared = Table(section, TRIES, ROOM)
        self._pairs, self._networks, self._names = (
            Throttle(clock, section=section, place=place, free=limits.free, longest=limits.longest)
            for place, limits in (("pair", PAIR), ("network", NETWORK), ("name", NAME))
        )

    async def take(self, scope: str, address: str, name: str) -> float:
        """0 when a try may be made now, which then counts; else the seconds to wait, and nothing has been counted.

        `scope` tells those apart who judge different people. Raises StoreUnavailable.
        """
        key = self._key(scope, name)
        wait = self._pairs.take(address, key)
        if wait > 0:
            return wait
        try:
            usual = await self._is_usual(scope, address, name)
        except BaseException:
            self._pairs.give_back(address, key)
            raise
        return 0.0 if usual else self._take_others(scope, address, name)

    async def forgive(self, scope: str, address: str, name: str) -> None:
        """The try was right: the pair starts afresh, and this is one of the name's usual networks from now on. What
        the network and the name did otherwise stays counted: an account of one's own buys no guesses at others."""
        self._pairs.forgive(address, self._key(scope, name))
        await self._give_back_others(scope, address, name)
        await self._notes.put(_usual(scope, address, name), b"", self._wall() + USUAL_SECONDS)

    async def give_back(self, scope: str, address: str, name: str) -> None:
        """The try could not be judged: it does not count. Raises StoreUnavailable."""
        self._pairs.give_back(address, self._key(scope, name))
        await self._give_back_others(scope, address, name)

    # what an administrator clears

    def clear_name(self, scope: str, name: str) -> None:
        """Nobody has to wait for that name any more, from whichever network: all counts of it are left behind."""
        key = self._cleared.key("cleared", scope, name)
        with self._cleared.alone():
            found = self._cleared.get(key)
            self._cleared.put(key, (found[0] + 1 if found else 1, self._clock(), 0.0), lambda other: other[0])

    def clear_network(self, scope: str, address: str) -> None:
        """What it did to many names; a name that was tried from there waits on."""
        self._networks.forgive(address, _key(scope, _ANY))

    def clear_all(self) -> None:
        with self._cleared.alone():
            self._section.memory[:] = bytes(len(self._section.memory))

    def _key(self, scope: str, name: str) -> str:
        """With how often it was cleared: which networks tried a name is not known, so they cannot be gone through."""
        found = self._cleared.get(self._cleared.key("cleared", scope, name))
        return f"{_key(scope, name)}\0{found[0] if found else 0}"

    def _take_others(self, scope: str, address: str, name: str) -> float:
        """By network and by name. Who has to wait has not been counted, by the pair neither."""
        key = self._key(scope, name)
        by_network, by_name = self._networks.take(address, _key(scope, _ANY)), self._names.take(_ANY, key)
        wait = max(by_network, by_name)
        if wait > 0:
            self._pairs.give_back(address, key)
            if by_network == 0:
                self._networks.give_back(address, _key(scope, _ANY))
            if by_name == 0:
                self._names.give_back(_ANY, key)
        return wait

    async def _give_back_others(self, scope: str, address: str, name: str) -> None:
        """At a usual network the pair alone was counted: what was not taken, given back, would end others' waits."""
        if not await self._is_usual(scope, address, name):
            self._networks.give_back(address, _key(scope, _ANY))
            self._names.give_back(_ANY, self._key(scope, name))

    async def _is_usual(self, scope: str, address: str, name: str) -> bool:
        return await self._notes.look(_usual(scope, address, name)) is not None


def _key(scope: str, name: str) -> str:
    return f"{scope}\0{name}"


def _usual(scope: str, address: str, name: str) -> str:
    return "\0".join(("usual", scope, network_of(address), name))
