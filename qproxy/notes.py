"""What is kept for minutes, beside the sessions and as safely: what was used once, and what comes back.

A seam like that of the sessions: every store of sessions offers it too, so that all workers and machines see the same.
It must not know what it keeps. Keys are hashed before they are kept, and values sealed, wherever they leave the
process.
"""

from typing import Final, Protocol

MOST: Final = 100_000
"""Of what was put by ourselves, so many are kept."""
MOST_OF_STRANGERS: Final = 50_000
MOST_OF_ONE: Final = 1_000
"""Of each stranger; an office behind one address has some hundred logins under way at once."""


class Notes(Protocol):
    """Times are seconds since the epoch. Every method may raise StoreUnavailable, and is atomic."""

    async def once(self, key: str, until: float) -> bool:
        """True for the first caller with that key, False for all others until then."""
        ...

    async def put(self, key: str, value: bytes, until: float, by: str = "") -> None:
        """Kept until then, or until it is taken; where there is no room, the oldest goes.

        `by`: who made us keep it, where that may be anybody. What strangers put has a room of its own, and each of them
        a part of it, so that a flood of one pushes out neither what others put nor what we did.
        """
        ...

    async def take(self, key: str) -> bytes | None:
        """What was put, which is then gone: the first caller gets it, all others None."""
        ...

    async def look(self, key: str) -> bytes | None:
        """What was put, which stays."""
        ...
