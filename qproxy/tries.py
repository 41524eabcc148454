"""How often something was tried lately, and until when the next try has to wait: kept by the stores, like the notes.

A seam like that of the sessions, so that all workers and machines count together, and a restart forgets nothing. It
must not know what is tried. Who waits longer than others is decided by whoever counts (qproxy.auth.guesses).
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

FORGET_AFTER: Final = 3600.0
"""Seconds without a try after which a count starts afresh."""
ROOM: Final = 100_000
"""So many counts are kept. Where there are more, those with the fewest tries go first: a flood of names must not hide
real guessing."""

Label = tuple[str, ...]
"""What is counted. Nobody finds it in a store that leaves the process: it is looked up by keyed hashes, and sealed."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many tries are free, and the longest wait in seconds. It doubles from one second on with each further try."""

    free: int
    longest: float


@dataclass(frozen=True, slots=True)
class Tried:
    """`last` and `until` are seconds since the epoch; `until` 0 where nobody waits."""

    label: Label
    count: int
    last: float
    until: float

    def counts(self, now: float) -> bool:
        """Not so long after the last try, nor before it, as after a clock was set back."""
        return abs(now - self.last) < FORGET_AFTER

    def wait(self, limits: Limits, now: float) -> float:
        return min(self.until - now, limits.longest) if self.counts(now) and now < self.until else 0.0

    def again(self, limits: Limits, now: float) -> "Tried":
        """One try more."""
        count = (self.count if self.counts(now) else 0) + 1
        wait = min(2.0 ** (count - limits.free), limits.longest) if count >= limits.free else 0.0
        return Tried(self.label, count, now, now + wait if wait else 0.0)

    def given_back(self) -> "Tried":
        return Tried(self.label, self.count - 1, self.last, 0.0)


class Tries(Protocol):
    """Every method may raise StoreUnavailable, and is atomic but for `each`."""

    async def take(self, wanted: Mapping[Label, Limits]) -> float:
        """0 when a try may be made now, which then counts for each label; else the longest of the seconds to wait, and
        nothing has been counted.

        To count before anything is judged is what makes a thousand tries at once no better than one by one.
        """
        ...

    async def settle(self, dropped: Sequence[Label], given_back: Sequence[Label] = ()) -> None:
        """Those that start afresh, and those for which one try did not count."""
        ...

    def each(self) -> AsyncIterator[Tried]:
        """All that count, in no order; one that comes or goes meanwhile may be left out."""
        ...
