"""How generous and how busy the keeping of sessions is: numbers only, no rule and no I/O."""

from dataclasses import dataclass, field

from qproxy.model import Lifetime


@dataclass(frozen=True, slots=True)
class QlikMade:
    """What is granted to the sessions that QPS makes itself (anonymous, ticket ...) and only tells us of."""

    lifetime: Lifetime = field(default_factory=lambda: Lifetime(idle=1800, absolute=43200))
    cap: int = 10_000
    """How many of them a virtual proxy may have; the oldest give way."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the store is asked and told, in seconds, and how long its silence is lived with."""

    follow: float = 0.5
    sweep: float = 5.0
    write: float = 30.0
    """A session's last-seen time is written at most this often (more often only where the idle time is short)."""
    grace: float = 30.0
    """So long after the store was last heard of, what is known is still served; then every look-up asks the store."""
    tombstones: float = 3600.0
    """So long tombstones are kept; a worker that was away for half of it checks all that it knew."""
    unknown: float = 10.0
    unknown_most: int = 20_000


def touch_grain(idle: float) -> float:
    """Seconds: signs of life of one session closer together than this may count as one, so that few are noted."""
    return min(1.0, idle / 10)
