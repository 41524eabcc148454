"""Notes beside the sessions in SQLite's file: see qproxy.notes. Found by keyed hashes, and sealed.

What was used once is never pushed out by what is put: a flood of begun logins must not make a replay possible.
"""

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from qproxy import notes
from qproxy.sessions.database import Database
from qproxy.sessions.sealing import Marker, Sealer

SWEEP_EVERY: Final = 64
"""Writes between two looks at what is over."""
ONCE, OURS, STRANGERS = 0, 1, 2
"""What `kept` says."""
FIND = "SELECT value FROM note WHERE mark = ? AND until > ?"
ADD = "INSERT OR REPLACE INTO note (mark, until, kept, value, maker) VALUES (?, ?, ?, ?, ?)"
PUSH_OUT = """DELETE FROM note WHERE kept = :kept AND number <=
    (SELECT number FROM note WHERE kept = :kept ORDER BY number DESC LIMIT 1 OFFSET :most)"""
PUSH_OUT_OF_ONE = """DELETE FROM note WHERE maker = :maker AND number <=
    (SELECT number FROM note WHERE maker = :maker ORDER BY number DESC LIMIT 1 OFFSET :most)"""


class SqliteNotes:
    """`clock`: seconds since the epoch."""

    def __init__(self, database: Database, keys: Sequence[bytes], clock: Callable[[], float]) -> None:
        self._database = database
        self._marker = Marker(keys, "notes")
        self._sealer = Sealer(keys, "sealed notes")
        self._clock = clock
        self._writes = 0

    def use_keys(self, keys: Sequence[bytes]) -> None:
        self._marker.use_keys(keys)
        self._sealer.use_keys(keys)

    async def once(self, key: str, until: float) -> bool:
        return await self._database.write(partial(self._once, key, until))

    async def put(self, key: str, value: bytes, until: float, by: str = "") -> None:
        await self._database.write(partial(self._put, key, value, until, by))

    async def take(self, key: str) -> bytes | None:
        return await self._database.write(partial(self._take, key))

    async def look(self, key: str) -> bytes | None:
        return await self._database.run(partial(self._look, key))

    def _once(self, key: str, until: float, connection: sqlite3.Connection) -> bool:
        self._sweep(connection)
        marks = self._marker.marks(key)
        if any(connection.execute(FIND, (mark, self._clock())).fetchone() for mark in marks):
            return False
        connection.execute(ADD, (marks[0], until, ONCE, b"", b""))
        return True

    def _put(self, key: str, value: bytes, until: float, by: str, connection: sqlite3.Connection) -> None:
        self._sweep(connection)
        mark = self._marker.marks(key)[0]
        maker = self._marker.marks(f"by {by}")[0] if by else b""
        connection.execute(ADD, (mark, until, STRANGERS if by else OURS, self._sealer.seal(value, mark), maker))
        if by:
            connection.execute(PUSH_OUT_OF_ONE, {"maker": maker, "most": notes.MOST_OF_ONE})

    def _take(self, key: str, connection: sqlite3.Connection) -> bytes | None:
        found = self._look(key, connection)
        for mark in self._marker.marks(key):
            connection.execute("DELETE FROM note WHERE mark = ?", (mark,))
        return found

    def _look(self, key: str, connection: sqlite3.Connection) -> bytes | None:
        for mark in self._marker.marks(key):
            row = connection.execute(FIND, (mark, self._clock())).fetchone()
            if row is not None:
                return self._sealer.open(row[0], mark) if row[0] else b""
        return None

    def _sweep(self, connection: sqlite3.Connection) -> None:
        self._writes += 1
        if self._writes % SWEEP_EVERY == 1:
            connection.execute("DELETE FROM note WHERE until <= ?", (self._clock(),))
            connection.execute(PUSH_OUT, {"kept": OURS, "most": notes.MOST})
            connection.execute(PUSH_OUT, {"kept": STRANGERS, "most": notes.MOST_OF_STRANGERS})
