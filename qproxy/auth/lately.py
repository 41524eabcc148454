"""What happened lately in a login method, for all workers: what was used once, and how often somebody was wrong.

It exists so that each of these is one line where it is needed, whatever the notes are kept in. It decides nothing.
"""

import hashlib
import secrets
from collections.abc import Callable
from typing import Final

from qproxy.notes import Notes

DAY: Final = 86400.0
_NOBODY: Final = 64
"""Strangers can make up names without end, so the wrong tries of names that do not exist share so many places."""


class Lately:
    """`clock`: seconds since the epoch. Every method may raise StoreUnavailable."""

    def __init__(self, notes: Notes, clock: Callable[[], float]) -> None:
        self._notes = notes
        self.clock = clock

    async def once(self, what: str, seconds: float) -> bool:
        """True for the first who asks with that text."""
        return await self._notes.once(what, self.clock() + seconds)

    async def wrong(self, who: str, most: int, known: bool) -> bool:
        """One more wrong try of somebody; whether there were `most` of them within a day by now. Costs the same for
        names that are nobody's."""
        person = _person(who, known)
        era = (await self._notes.look(_era(person)) or b"").decode()
        for number in range(1, most):
            if await self._notes.once(f"wrong try {number} {era} of {person}", self.clock() + DAY):
                return False
        await self._notes.put(_too_many(person), b"1", self.clock() + DAY)
        return True

    async def too_many(self, who: str) -> bool:
        """Whether `wrong` said so and `right` did not follow."""
        return await self._notes.look(_too_many(_person(who, True))) is not None

    async def right(self, who: str) -> None:
        """Earlier tries count no more."""
        person = _person(who, True)
        await self._notes.put(_era(person), secrets.token_hex(8).encode(), self.clock() + DAY)
        await self._notes.take(_too_many(person))


def _too_many(person: str) -> str:
    return f"too many wrong tries of {person}"


def _era(person: str) -> str:
    return f"since when wrong tries count of {person}"


def _person(who: str, known: bool) -> str:
    digest = hashlib.sha256(who.encode(errors="replace")).digest()
    return digest.hex() if known else f"nobody {digest[0] % _NOBODY}"
