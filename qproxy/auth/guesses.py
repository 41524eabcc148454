"""Whether somebody may try a name now: guesses are counted by pair of network and name, by network, and by name.

A pair waits longest, for that is where guessing shows. A network that tries many names, and a name that many networks
try, wait too, the latter never long; but neither concerns a name in a network from which it logged in before: strangers
cannot lock a person out, nor colleagues an office behind one address. Counted before a password is judged, in the store
of the sessions, so that all workers and machines count together.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from qproxy.clients import network_of
from qproxy.notes import Notes
from qproxy.tries import Label, Limits, Tried, Tries

USUAL_SECONDS: Final = 30 * 86400.0
"""So long a network stays a usual one of a name after a login."""
PAIR: Final = Limits(5, 900.0)
NETWORK: Final = Limits(100, 300.0)
NAME: Final = Limits(20, 60.0)
AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class Guess:
    """A try that was asked for. `wait`: seconds until it may be made, 0 for now; only then it counts."""

    usual: str
    counted: Mapping[Label, Limits]
    wait: float


@dataclass(frozen=True, slots=True)
class Slowed:
    """What counts at the moment: of a `name`, a `network`, or of a name from a network. `wait`: seconds, may be 0."""

    scope: str
    name: str | None
    network: str | None
    tries: int
    last: float
    wait: float


class Guesses:
    """`clock`: seconds since the epoch. Every method may raise StoreUnavailable. `scope` tells those apart who judge
    different people."""

    def __init__(self, clock: Callable[[], float], tries: Tries, notes: Notes) -> None:
        self._clock = clock
        self._tries = tries
        self._notes = notes

    async def take(self, scope: str, address: str, name: str) -> Guess:
        """Where `wait` is not 0, nothing has been counted."""
        network = network_of(address)
        usual = "\0".join(("usual", scope, network, name))
        counted: dict[Label, Limits] = {("pair", scope, name, network): PAIR}
        if await self._notes.look(usual) is None:
            counted |= {("network", scope, network): NETWORK, ("name", scope, name): NAME}
        return Guess(usual, counted, await self._tries.take(counted))

    async def forgive(self, guess: Guess) -> None:
        """The try was right: the pair starts afresh, and this is one of the name's usual networks from now on. What
        the network and the name did otherwise stays counted: an account of one's own buys no guesses at others."""
        pair, *others = guess.counted
        await self._tries.settle([pair], others)
        await self._notes.put(guess.usual, b"", self._clock() + USUAL_SECONDS)

    async def give_back(self, guess: Guess) -> None:
        """The try could not be judged: it does not count."""
        await self._tries.settle([], list(guess.counted))

    # for an administrator

    async def each(self) -> AsyncIterator[Slowed]:
        """All that count at the moment, in no order."""
        async for tried in self._tries.each():
            slowed = self._slowed(tried)
            if slowed is not None:
                yield slowed

    async def clear(self, wanted: Callable[[Slowed], bool]) -> int:
        """How many of them count no more."""
        dropped: list[Label] = []
        async for tried in self._tries.each():
            slowed = self._slowed(tried)
            if slowed is not None and wanted(slowed):
                dropped.append(tried.label)
        for start in range(0, len(dropped), AT_ONCE):
            await self._tries.settle(dropped[start : start + AT_ONCE])
        return len(dropped)

    def _slowed(self, tried: Tried) -> Slowed | None:
        """None for what a later qproxy may count."""
        wait = max(0.0, tried.until - self._clock())
        match tried.label:
            case ("pair", scope, name, network):
                return Slowed(scope, name, network, tried.count, tried.last, wait)
            case ("network", scope, network):
                return Slowed(scope, None, network, tried.count, tried.last, wait)
            case ("name", scope, name):
                return Slowed(scope, name, None, tried.count, tried.last, wait)
        return None
