"""A session file of an earlier form is brought up to date and keeps what is in it."""

import sqlite3
from pathlib import Path

import pytest
from some_sessions import START, a_key, a_session, made_by_qlik

from qproxy.model import End
from qproxy.sessions import schema
from qproxy.sessions.sqlite import SqliteStore

KEY = a_key()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.db"


async def of_first_form(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With two sessions of ours and one of Qlik's."""
    with monkeypatch.context() as patch:
        patch.setattr(schema, "STEPS", schema.STEPS[:1])
        store = SqliteStore(path, [KEY])
        for session in (a_session("one"), a_session("two"), made_by_qlik("three")):
            await store.put(session)
        await store.close()


async def counts(store: SqliteStore) -> list[int]:
    return [await store.count("sales", by_qlik) for by_qlik in (False, True)]


async def test_sessions_of_the_first_form_are_counted(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await of_first_form(path, monkeypatch)
    store = SqliteStore(path, [KEY])
    assert await counts(store) == [2, 1]
    await store.delete("sales", "one", End.LOGOUT, START)
    await store.put(made_by_qlik("four"))
    assert await counts(store) == [1, 2]
    await store.close()


async def test_an_earlier_qproxy_that_still_writes_is_counted_too(path: Path) -> None:
    store = SqliteStore(path, [KEY])
    await store.put(a_session("one"))
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(
            "INSERT OR REPLACE INTO session (key, vp, by_qlik, user, created, seen, record)"
            " SELECT x'00', vp, by_qlik, user, created, seen, record FROM session"
        )
    connection.close()
    assert await counts(store) == [2, 0]
    await store.close()


async def test_a_session_in_the_place_of_one_that_cannot_be_opened_counts_once(path: Path) -> None:
    lost = SqliteStore(path, [a_key()])
    await lost.put(a_session("one"))
    await lost.close()
    store = SqliteStore(path, [KEY])
    await store.put(a_session("one"))
    await store.put(a_session("one"))
    assert await counts(store) == [1, 0]
    await store.close()
