"""Sessions in one SQLite file: the default. They survive a restart and a crash; several workers may share the file.

In the file a session is a hash of its id, a keyed hash of its user, times, and a sealed record: no id and no name is
readable there. Last-seen times are in clear and not sealed, as they change often and the sweep needs them; so who can
write the file can keep a session from being idle, but not prolong its absolute lifetime nor make or move a session.
"""

import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from qproxy.model import End, Lifetime, Session, Tie, User
from qproxy.notes import Notes
from qproxy.sessions.database import Database, transaction
from qproxy.sessions.records import Records
from qproxy.sessions.sqlite_notes import SqliteNotes
from qproxy.sessions.sqlite_tries import SqliteTries
from qproxy.sessions.store import Tombstone, require_owner, same_user, store_key
from qproxy.tries import Tries

PUT = "INSERT INTO session (key, vp, by_qlik, user, created, seen, record) VALUES (?, ?, ?, ?, ?, ?, ?)"
OF_USER = "SELECT number, key, record, seen FROM session WHERE user = ?"
TIED = "SELECT session.key, record, seen FROM tied JOIN session ON session.key = tied.key WHERE mark = ?"
EXPIRED = """SELECT key, record, seen FROM session
    WHERE vp = ? AND by_qlik = ? AND (created <= ? OR seen <= ?) LIMIT ?"""
OLDEST_BY_QLIK = "SELECT key, record, seen FROM session WHERE vp = ? AND by_qlik = 1 ORDER BY number LIMIT ?"
EACH = "SELECT number, key, record, seen FROM session WHERE number > ? ORDER BY number LIMIT ?"
EACH_OF_GROUP = """SELECT number, key, record, seen FROM session
    WHERE vp = ? AND by_qlik = ? AND number > ? ORDER BY number LIMIT ?"""
PAGE = 50
"""Rows that `each` reads in one turn: a look-up waits for no more than these, 1 or 2 ms."""


class SqliteStore:
    """`keys`: secrets of at least 32 random bytes, the newest first; `page_limit` bounds the file, in pages of 4 KB."""

    def __init__(
        self, path: Path, keys: Sequence[bytes], busy_seconds: float = 2.0, page_limit: int | None = None
    ) -> None:
        self._database = Database(path, busy_seconds, page_limit)
        self._records = Records(keys)
        self._keys = keys
        self._beside: list[SqliteNotes | SqliteTries] = []

    @property
    def refused(self) -> int:
        """How many records counted as not there because they could not be opened (for the metrics)."""
        return self._records.refused

    async def check(self) -> None:
        await self._database.write(_check)

    async def put(self, session: Session) -> Session:
        return await self._database.write(partial(self._put, session))

    async def get(self, vp: str, session_id: str) -> Session | None:
        return await self._database.run(partial(self._read, store_key(vp, session_id)))

    async def link(self, session: Session, qlik_id: str) -> Session | None:
        return await self._database.write(partial(self._link, session, qlik_id))

    async def tied(self, vp: str, key: str) -> list[Session]:
        return await self._database.run(partial(self._tied, vp, key))

    async def retie(self, session: Session, tie: Tie) -> Session | None:
        return await self._database.write(partial(self._retie, session, tie))

    async def of_user(self, vp: str, user: User) -> list[Session]:
        return await self._database.run(partial(self._of_user, vp, user))

    async def seen(self, times: Mapping[tuple[str, str], float]) -> None:
        rows = [(time, store_key(*place), time) for place, time in times.items()]
        await self._database.write(partial(_seen, rows))

    async def delete(self, vp: str, session_id: str, why: End, now: float) -> Session | None:
        return await self._database.write(partial(self._delete, vp, store_key(vp, session_id), why, now))

    async def mark(self) -> int:
        return await self._database.run(_mark)

    async def ended_since(self, mark: int) -> list[Tombstone]:
        return await self._database.run(partial(_ended_since, mark))

    async def forget_ended(self, before: float) -> None:
        await self._database.write(partial(_forget_ended, before))

    async def expired(self, vp: str, by_qlik: bool, lifetime: Lifetime, now: float, limit: int) -> list[Session]:
        return await self._database.run(partial(self._expired, (vp, by_qlik), lifetime, now, limit))

    async def count(self, vp: str, by_qlik: bool) -> int:
        return await self._database.run(partial(_count, vp, by_qlik))

    async def oldest_by_qlik(self, vp: str, limit: int) -> list[Session]:
        return await self._database.run(partial(self._oldest_by_qlik, vp, limit))

    async def each(self, vp: str | None = None) -> AsyncIterator[Session]:
        groups: list[tuple[str, bool] | tuple[()]] = [()] if vp is None else [(vp, False), (vp, True)]
        for group in groups:
            last: int | None = 0
            while last is not None:
                sessions, last = await self._database.run(partial(self._page, group, last))
                for session in sessions:
                    yield session

    def notes(self, clock: Callable[[], float]) -> Notes:
        notes = SqliteNotes(self._database, self._keys, clock)
        self._beside.append(notes)
        return notes

    def tries(self, clock: Callable[[], float]) -> Tries:
        tries = SqliteTries(self._database, self._keys, clock)
        self._beside.append(tries)
        return tries

    def use_keys(self, keys: Sequence[bytes]) -> None:
        self._keys = keys
        self._records.use_keys(keys)
        for one in self._beside:
            one.use_keys(keys)

    async def close(self) -> None:
        await self._database.close()

    # On the database's thread

    def _read(self, key: bytes, connection: sqlite3.Connection) -> Session | None:
        row = connection.execute("SELECT record, seen FROM session WHERE key = ?", (key,)).fetchone()
        return None if row is None else self._records.open(row[0], key, row[1])

    def _put(self, session: Session, connection: sqlite3.Connection) -> Session:
        key = store_key(session.vp, session.id)
        if (kept := self._read(key, connection)) is not None:
            return require_owner(kept, session)
        # A record that cannot be opened counts as not there. INSERT OR REPLACE would not fire the trigger that counts.
        connection.execute("DELETE FROM session WHERE key = ?", (key,))
        connection.execute(PUT, (key, session.vp, session.by_qlik, *self._sealed(session, key)))
        self._tie(session, key, connection)
        return session

    def _link(self, session: Session, qlik_id: str, connection: sqlite3.Connection) -> Session | None:
        key = store_key(session.vp, session.id)
        kept = self._read(key, connection)
        if kept is None or kept.qlik_id != session.qlik_id:
            return kept
        linked = replace(kept, qlik_id=qlik_id)
        connection.execute("UPDATE session SET record = ? WHERE key = ?", (self._records.seal(linked, key), key))
        return linked

    def _retie(self, session: Session, tie: Tie, connection: sqlite3.Connection) -> Session | None:
        key = store_key(session.vp, session.id)
        kept = self._read(key, connection)
        if kept is None or kept.tie != session.tie:
            return kept
        retied = replace(kept, tie=tie)
        connection.execute("UPDATE session SET record = ? WHERE key = ?", (self._records.seal(retied, key), key))
        connection.execute("DELETE FROM tied WHERE key = ?", (key,))
        self._tie(retied, key, connection)
        return retied

    def _tie(self, session: Session, key: bytes, connection: sqlite3.Connection) -> None:
        rows = [(mark, key) for mark in self._records.marks_of(session)]
        if rows:
            connection.executemany("INSERT OR IGNORE INTO tied (mark, key) VALUES (?, ?)", rows)

    def _tied(self, vp: str, key: str, connection: sqlite3.Connection) -> list[Session]:
        rows = [row for mark in self._records.tie_marks(vp, key) for row in connection.execute(TIED, (mark,))]
        return [one for _, one in self._opened(rows) if one and one.vp == vp and key in one.tie.keys]

    def _sealed(self, session: Session, key: bytes) -> tuple[bytes, float, float, bytes]:
        mark = self._records.user_marks(session.vp, session.user)[0]
        return mark, session.created, session.last_seen, self._records.seal(session, key)

    def _of_user(self, vp: str, user: User, connection: sqlite3.Connection) -> list[Session]:
        found = []
        for mark in self._records.user_marks(vp, user):
            found += connection.execute(OF_USER, (mark,)).fetchall()
        sessions = self._opened([row[1:] for row in sorted(found)])
        return [session for _, session in sessions if session and session.vp == vp and same_user(session.user, user)]

    def _delete(self, vp: str, key: bytes, why: End, now: float, connection: sqlite3.Connection) -> Session | None:
        session = self._read(key, connection)
        _remove(connection, vp, key, why, now)
        return session

    def _expired(
        self, group: tuple[str, bool], lifetime: Lifetime, now: float, limit: int, connection: sqlite3.Connection
    ) -> list[Session]:
        """Records that cannot be opened are nobody's: they are removed when their time is over."""
        rows = connection.execute(EXPIRED, (*group, now - lifetime.absolute, now - lifetime.idle, limit))
        opened = self._opened(rows.fetchall())
        if lost := [key for key, session in opened if session is None]:
            with transaction(connection):
                for key in lost:
                    _remove(connection, group[0], key, End.ABSOLUTE, now)
        return [session for _, session in opened if session]

    def _oldest_by_qlik(self, vp: str, limit: int, connection: sqlite3.Connection) -> list[Session]:
        rows = connection.execute(OLDEST_BY_QLIK, (vp, limit)).fetchall()
        return [session for _, session in self._opened(rows) if session]

    def _page(
        self, group: tuple[str, bool] | tuple[()], after: int, connection: sqlite3.Connection
    ) -> tuple[list[Session], int | None]:
        """Sessions behind the row of that number, and the number to go on with, if there may be more."""
        rows = connection.execute(EACH_OF_GROUP if group else EACH, (*group, after, PAGE)).fetchall()
        sessions = [session for _, session in self._opened([row[1:] for row in rows]) if session]
        return sessions, rows[-1][0] if len(rows) == PAGE else None

    def _opened(self, rows: list[tuple[bytes, bytes, float]]) -> list[tuple[bytes, Session | None]]:
        return [(key, self._records.open(record, key, seen)) for key, record, seen in rows]


def _check(connection: sqlite3.Connection) -> None:
    connection.execute("SELECT 1 FROM session LIMIT 1")


def _seen(rows: list[tuple[float, bytes, float]], connection: sqlite3.Connection) -> None:
    connection.executemany("UPDATE session SET seen = ? WHERE key = ? AND seen < ?", rows)


def _remove(connection: sqlite3.Connection, vp: str, key: bytes, why: End, now: float) -> None:
    if connection.execute("DELETE FROM session WHERE key = ?", (key,)).rowcount:
        connection.execute("INSERT INTO ended (vp, key, at, why) VALUES (?, ?, ?, ?)", (vp, key, now, why.value))


def _mark(connection: sqlite3.Connection) -> int:
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'ended'").fetchone()
    return 0 if row is None else int(row[0])


def _ended_since(mark: int, connection: sqlite3.Connection) -> list[Tombstone]:
    rows = connection.execute("SELECT mark, vp, key, at, why FROM ended WHERE mark > ? ORDER BY mark", (mark,))
    return [Tombstone(number, vp, key, at, End.of(why)) for number, vp, key, at, why in rows]


def _forget_ended(before: float, connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM ended WHERE at < ?", (before,))


def _count(vp: str, by_qlik: bool, connection: sqlite3.Connection) -> int:
    query = "SELECT sessions FROM amount WHERE vp = ? AND by_qlik = ?"
    row = connection.execute(query, (vp, by_qlik)).fetchone()
    return 0 if row is None else int(row[0])
