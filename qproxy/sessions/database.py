"""One SQLite file, used from one thread: opens it safely, runs work on it, turns every trouble into StoreUnavailable.

Write-ahead log with synchronous=NORMAL: what was acknowledged has left the process, so `kill -9` loses nothing. A power
cut may lose the last seconds (never the file): it spares an fsync at every login. Must not know what is in the tables.
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from qproxy.sessions.schema import UnusableFile, bring_up_to_date
from qproxy.sessions.store import IdTaken, StoreUnavailable

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

WAL_KEPT_BYTES = 8 * 1024 * 1024
ADVICE = {
    "SQLITE_FULL": "the disk is full: free some space",
    "SQLITE_BUSY": "another program keeps it locked: find out which one and stop it",
    "SQLITE_LOCKED": "another program keeps it locked: find out which one and stop it",
    "SQLITE_CORRUPT": "it is damaged: move it away with its -wal and -shm files; everybody logs in again",
    "SQLITE_NOTADB": "it is not a database: name another file, or move it away",
    "SQLITE_READONLY": "it cannot be written: check who owns the file and its directory",
    "SQLITE_CANTOPEN": "it cannot be opened: check who owns the file and its directory",
    "SQLITE_PERM": "it cannot be opened: check who owns the file and its directory",
    "SQLITE_IOERR": "the disk does not read or write: check the disk and the space on it",
}


class Database:
    """Opened at the first use, and again after an error, so that it recovers by itself when the cause is gone."""

    def __init__(self, path: Path, busy_seconds: float, page_limit: int | None) -> None:
        self._path = path
        self._busy_seconds = busy_seconds
        self._page_limit = page_limit
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sessions")
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._closed = False
        self._waiting: list[tuple[Work[Any], asyncio.Future[Any]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def run(self, work: Work[T]) -> T:
        """What `work` returns, in its turn. Raises StoreUnavailable with what is wrong and what to do."""
        if self._closed:
            raise StoreUnavailable(f"the session store {self._path} is closed")
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._guarded, work)

    async def write(self, work: Work[T]) -> T:
        """Like `run`, in one transaction with all that came in while the one before was written: QPS deletes by the
        thousand. `work` may raise IdTaken, but only before it has written anything."""
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((work, done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_waiting())
        return await done

    async def _write_waiting(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            work = partial(_all_or_each, [work for work, _ in batch])
            try:
                results: list[Any] = await asyncio.gather(self.run(work), return_exceptions=True)
            except asyncio.CancelledError:
                for _, done in batch:
                    done.cancel()
                raise
            outcomes = results * len(batch) if isinstance(results[0], BaseException) else results[0]
            for (_, done), outcome in zip(batch, outcomes, strict=True):
                _settle(done, outcome)

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            await asyncio.get_running_loop().run_in_executor(self._thread, self._let_go)
            self._thread.shutdown()

    def _guarded(self, work: Work[T]) -> T:
        try:
            return work(self._current())
        except (sqlite3.Error, OSError, UnusableFile) as error:
            self._after(error)
            raise StoreUnavailable(f"the session store {self._path} cannot be used: {_explain(error)}") from error

    def _after(self, error: Exception) -> None:
        """On a full disk the connection is kept, as it still reads and could not be opened again; the log is used anew
        from its start, so that people can at least log out."""
        if _name(error).startswith("SQLITE_FULL") and self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.execute("PRAGMA wal_checkpoint(RESTART)")
        elif not _name(error).startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            self._let_go()

    def _current(self) -> sqlite3.Connection:
        if self._connection is not None and self._file != _identity(self._path):
            self._let_go()  # somebody moved the file away: what is written into it now would be lost
        if self._connection is None:
            _prepare(self._path)
            self._connection = self._connect()
            self._file = _identity(self._path)
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=self._busy_seconds, isolation_level=None)
        try:
            bring_up_to_date(connection)
            if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
                raise UnusableFile("its file system does not allow a write-ahead log: keep it on a local disk")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA journal_size_limit = {WAL_KEPT_BYTES}")
            if self._page_limit is not None:
                connection.execute(f"PRAGMA max_page_count = {self._page_limit}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _settle(done: asyncio.Future[Any], outcome: object) -> None:
    if done.done():
        return  # who waited for it has gone
    if isinstance(outcome, BaseException):
        done.set_exception(outcome)
    else:
        done.set_result(outcome)


def _all_or_each(works: list[Work[Any]], connection: sqlite3.Connection) -> list[Any]:
    """What each returned, or the error that concerns it alone. Where there is no room for all, each is tried alone."""
    try:
        return _together(works, connection)
    except sqlite3.Error as error:
        if len(works) == 1 or not _name(error).startswith("SQLITE_FULL"):
            raise
        return [_alone(work, connection) for work in works]


def _together(works: list[Work[Any]], connection: sqlite3.Connection) -> list[Any]:
    with transaction(connection):
        return [_outcome(work, connection) for work in works]


def _outcome(work: Work[T], connection: sqlite3.Connection) -> T | IdTaken:
    try:
        return work(connection)
    except IdTaken as refused:
        return refused


def _alone(work: Work[Any], connection: sqlite3.Connection) -> Any:
    try:
        return _together([work], connection)[0]
    except sqlite3.Error as error:
        return StoreUnavailable(f"the session store cannot be written: {_explain(error)}")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, and alone: the write lock is taken at the start, so what is read in it stays true."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _prepare(path: Path) -> None:
    """Only the user that runs qproxy may read the file. A file that exists is not opened here: to close it again would
    drop the locks that SQLite may hold on it in this very process."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        if os.name == "posix" and path.stat().st_mode & 0o077:
            path.chmod(0o600)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _explain(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "its directory does not exist: create it, owned by the user that runs qproxy"
    return next((text for start, text in ADVICE.items() if _name(error).startswith(start)), str(error))


def _name(error: Exception) -> str:
    return getattr(error, "sqlite_errorname", "")
