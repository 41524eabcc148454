"""What a session is found by in SQLite's file, where an earlier qproxy or another key comes in between."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from some_sessions import START, a_key, a_session, tied_to

from qproxy.model import Tie
from qproxy.sessions.sqlite import SqliteStore

KEY = a_key()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore(path, [KEY])
    yield opened
    await opened.close()


def by_hand(path: Path, *statements: str) -> list[Any]:
    """What the last one finds."""
    with closing(sqlite3.connect(path)) as connection, connection:
        return [connection.execute(statement).fetchall() for statement in statements][-1]


async def test_sessions_of_an_earlier_qproxy_stay_and_can_be_tied(store: SqliteStore, path: Path) -> None:
    session = await store.put(a_session("one"))
    await store.close()
    by_hand(
        path,
        "DROP TRIGGER session_untied",
        "DROP TABLE tied",
        "DROP TABLE note",
        "DROP TABLE tried",
        "PRAGMA user_version = 2",
    )
    later = SqliteStore(path, [KEY])
    assert await later.retie(session, Tie(("sid 7",))) == replace(session, tie=Tie(("sid 7",)))
    assert [one.id for one in await later.tied("sales", "sid 7")] == ["one"]
    await later.close()


async def test_what_an_earlier_qproxy_deletes_is_not_tied_any_more(store: SqliteStore, path: Path) -> None:
    await store.put(tied_to("sid 7", "sub ann"))
    assert by_hand(path, "DELETE FROM session", "SELECT count(*) FROM tied") == [(0,)]


async def test_sessions_are_found_by_their_tie_after_a_change_of_keys(store: SqliteStore, path: Path) -> None:
    key = a_key()
    session = await store.put(tied_to("sid 7"))
    store.use_keys([key, KEY])
    assert await store.tied("sales", "sid 7") == [session]
    retied = await store.retie(session, Tie(("sid 7",), check_at=START))
    store.use_keys([key])
    assert await store.tied("sales", "sid 7") == [retied]
