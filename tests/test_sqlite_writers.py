"""Several processes that write into one session file: each gets its turn, and nothing that was acknowledged is lost."""

import asyncio
from pathlib import Path

from test_sqlite_store import KEY, said_before_the_kill

from qproxy.sessions.sqlite import SqliteStore

LINES = 1500


async def test_processes_that_write_at_once_wait_for_each_other_and_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    store = SqliteStore(path, [KEY])
    await store.check()
    for said in await asyncio.gather(*(asyncio.to_thread(said_before_the_kill, path, LINES) for _ in range(3))):
        assert len(said) >= LINES, "a writer gave up: the file was locked for too long"
        left = [await store.get("sales", line.split()[1]) for line in said[::10]]
        assert [session is None for session in left] == [line.startswith("deleted") for line in said[::10]]
    await store.close()
