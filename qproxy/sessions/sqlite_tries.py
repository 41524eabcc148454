"""Tries counted beside the sessions in SQLite's file: see qproxy.tries. Found by keyed hashes, and sealed."""

import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from typing import Final

from qproxy.sessions.database import Database
from qproxy.sessions.sealing import Marker, Sealer
from qproxy.tries import FORGET_AFTER, ROOM, Label, Limits, Tried

SWEEP_EVERY: Final = 64
"""Writes between two looks at what is over."""
PAGE: Final = 500
PUT: Final = "INSERT OR REPLACE INTO tried (mark, tries, last, until, label) VALUES (?, ?, ?, ?, ?)"
PUSH_OUT: Final = """DELETE FROM tried WHERE mark IN (
    SELECT mark FROM tried ORDER BY tries, last LIMIT max(0, (SELECT count(*) FROM tried) - ?))"""
NEXT: Final = "SELECT mark, tries, last, until, label FROM tried WHERE mark > ? ORDER BY mark LIMIT ?"


class SqliteTries:
    """`clock`: seconds since the epoch."""

    def __init__(
        self, database: Database, keys: Sequence[bytes], clock: Callable[[], float], *, room: int = ROOM
    ) -> None:
        self._database = database
        self._marker = Marker(keys, "tries")
        self._sealer = Sealer(keys, "sealed tries")
        self._clock = clock
        self._room = room
        self._writes = 0

    def use_keys(self, keys: Sequence[bytes]) -> None:
        self._marker.use_keys(keys)
        self._sealer.use_keys(keys)

    async def take(self, wanted: Mapping[Label, Limits]) -> float:
        """A try that has to wait is read only: a flood of them writes nothing."""
        wait = await self._database.run(partial(self._wait, wanted))
        return wait or await self._database.write(partial(self._take, wanted))

    async def settle(self, dropped: Sequence[Label], given_back: Sequence[Label] = ()) -> None:
        await self._database.write(partial(self._settle, dropped, given_back))

    async def each(self) -> AsyncIterator[Tried]:
        after: bytes | None = b""
        while after is not None:
            found, after = await self._database.run(partial(self._page, after))
            for tried in found:
                yield tried

    # On the database's thread

    def _wait(self, wanted: Mapping[Label, Limits], connection: sqlite3.Connection) -> float:
        now = self._clock()
        return max(self._find(label, connection).wait(limits, now) for label, limits in wanted.items())

    def _take(self, wanted: Mapping[Label, Limits], connection: sqlite3.Connection) -> float:
        wait = self._wait(wanted, connection)
        if wait == 0:
            self._sweep(connection)
            for label, limits in wanted.items():
                self._put(self._find(label, connection).again(limits, self._clock()), connection)
        return wait

    def _settle(self, dropped: Sequence[Label], given_back: Sequence[Label], connection: sqlite3.Connection) -> None:
        for label in dropped:
            self._drop(label, connection)
        for label in given_back:
            tried = self._find(label, connection)
            if tried.count > 1:
                self._put(tried.given_back(), connection)
            else:
                self._drop(label, connection)

    def _find(self, label: Label, connection: sqlite3.Connection) -> Tried:
        for mark in self._marks(label):
            row = connection.execute("SELECT tries, last, until FROM tried WHERE mark = ?", (mark,)).fetchone()
            if row is not None:
                return Tried(label, *row)
        return Tried(label, 0, self._clock(), 0.0)

    def _put(self, tried: Tried, connection: sqlite3.Connection) -> None:
        mark, *earlier = self._marks(tried.label)
        sealed = self._sealer.seal(json.dumps(tried.label).encode(), mark)
        connection.execute(PUT, (mark, tried.count, tried.last, tried.until, sealed))
        for one in earlier:
            connection.execute("DELETE FROM tried WHERE mark = ?", (one,))

    def _drop(self, label: Label, connection: sqlite3.Connection) -> None:
        for mark in self._marks(label):
            connection.execute("DELETE FROM tried WHERE mark = ?", (mark,))

    def _page(self, after: bytes, connection: sqlite3.Connection) -> tuple[list[Tried], bytes | None]:
        """Some, and where to go on; None at the end."""
        rows, now, found = connection.execute(NEXT, (after, PAGE)).fetchall(), self._clock(), []
        for mark, count, last, until, sealed in rows:
            label = self._sealer.open(sealed, mark)
            if label is not None:
                found.append(Tried(tuple(json.loads(label)), count, last, until))
        return [tried for tried in found if tried.counts(now)], rows[-1][0] if len(rows) == PAGE else None

    def _sweep(self, connection: sqlite3.Connection) -> None:
        self._writes += 1
        if self._writes % SWEEP_EVERY == 1:
            connection.execute("DELETE FROM tried WHERE last <= ?", (self._clock() - FORGET_AFTER,))
            connection.execute(PUSH_OUT, (self._room,))

    def _marks(self, label: Label) -> list[bytes]:
        return self._marker.marks(json.dumps(label))
