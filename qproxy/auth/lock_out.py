"""Locks a person out of the file of users after so many wrong tries, until an administrator unlocks.

The count is in the notes, so that all workers count together; the lock is in the file, so that it outlives them. It
happens beside the answer: by the time that an answer takes, nobody learns whether a name exists.
"""

import asyncio
import logging
from dataclasses import replace
from pathlib import Path

from qproxy.auth import users
from qproxy.auth.lately import Lately
from qproxy.auth.user_file import Entry, UserFileError, name_key
from qproxy.auth.user_marks import Marks

log = logging.getLogger("qproxy.auth")


class LockOut:
    """`after`: so many wrong tries within a day; None for never."""

    def __init__(self, path: Path, lately: Lately, after: int | None) -> None:
        self._path = path
        self._lately = lately
        self._after = after
        self._locking: set[asyncio.Task[None]] = set()

    async def wrong(self, key: str, entry: Entry | None) -> None:
        """A wrong password or code of that name, which may be nobody's. May raise StoreUnavailable."""
        if self._after is None or not await self._lately.wrong(self._who(key), self._after, entry is not None):
            return
        if entry is not None and not entry.marks.locked:
            locking = asyncio.create_task(self._lock(entry))
            self._locking.add(locking)
            locking.add_done_callback(self._locking.discard)

    async def closed(self, entry: Entry) -> bool:
        """Whether the lock is on its way into the file, or could not be written there. May raise StoreUnavailable."""
        return self._after is not None and await self._lately.too_many(self._who(name_key(entry.name)))

    async def right(self, entry: Entry) -> None:
        """May raise StoreUnavailable."""
        if self._after is not None:
            await self._lately.right(self._who(name_key(entry.name)))

    async def close(self) -> None:
        await asyncio.gather(*self._locking)

    async def _lock(self, entry: Entry) -> None:
        try:
            await asyncio.to_thread(users.mark, self._path, entry.name, _locked, users.SHORT_PATIENCE)
        except UserFileError as error:
            log.error("%r was wrong %s times and should be locked out, but: %s", entry.name, self._after, error)
            return
        try:
            await self.right(entry)  # so that the tries count anew when an administrator unlocks
        except Exception as error:  # noqa: BLE001 - a store that cannot be asked; the lock stands
            log.warning("the wrong tries of %r cannot be forgotten, and count for a day: %s", entry.name, error)
        log.warning(
            "%r is locked out after %s wrong tries; when it was the person: qproxy users unlock %s %r",
            entry.name,
            self._after,
            self._path,
            entry.name,
        )

    def _who(self, key: str) -> str:
        return f"{self._path}\0{key}"


def _locked(marks: Marks) -> Marks:
    return replace(marks, locked=True)
