"""The SQLite store: what is in its file, what survives a crash, and what it says when the file cannot be used."""

# ruff: noqa: ASYNC240  (nothing else runs on the loop while a test looks at its files)

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from some_sessions import JOHN, LIFETIME, MARY, START, a_key, a_session, made_by_qlik

from qproxy.model import Attributes, End, Session, Tie, User
from qproxy.sessions.schema import APPLICATION, STEPS
from qproxy.sessions.sqlite import SqliteStore
from qproxy.sessions.store import IdTaken, StoreUnavailable, store_key

KEY = a_key()
NOBODY = 65534
Open = Callable[..., SqliteStore]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.db"


@pytest.fixture
async def open_store(path: Path) -> AsyncIterator[Open]:
    stores: list[SqliteStore] = []

    def opened(*keys: bytes, at: Path = path, page_limit: int | None = None) -> SqliteStore:
        stores.append(SqliteStore(at, keys or [KEY], busy_seconds=0.05, page_limit=page_limit))
        return stores[-1]

    yield opened
    for store in stores:
        await store.close()


def by_hand(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def bytes_of(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.parent.iterdir())


async def trouble(store: SqliteStore) -> str:
    with pytest.raises(StoreUnavailable) as raised:
        await store.put(a_session())
    return str(raised.value)


async def filled(store: SqliteStore) -> list[Session]:
    """As many sessions as there is room for."""
    kept: list[Session] = []
    with suppress(StoreUnavailable):
        while len(kept) < 10_000:
            kept.append(await store.put(a_session()))
    assert 0 < len(kept) < 10_000
    return kept


# --- what is in the file ---


async def test_neither_ids_nor_names_nor_attributes_are_in_the_files(open_store: Open, path: Path) -> None:
    user = User("SECRETDIRECTORY", "secretname")
    attributes, tie = Attributes((("secretgroup", "secretvalue"),)), Tie(("secretkey",), {"token": "secrettoken"})
    session = Session("s" * 43, "sales", user, attributes, START, START, tie=tie)
    store = open_store()
    await store.put(session)
    await store.seen({("sales", session.id): START + 1})
    written = bytes_of(path)
    await store.delete("sales", session.id, End.LOGOUT, START)
    written += bytes_of(path)
    assert store_key("sales", session.id) in written
    assert b"secret" not in written.lower()
    assert session.id.encode() not in written


async def test_only_the_user_that_runs_qproxy_may_read_the_files(open_store: Open, path: Path) -> None:
    await open_store().put(a_session())
    modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert modes == {"sessions.db": 0o600, "sessions.db-wal": 0o600, "sessions.db-shm": 0o600}


async def test_a_file_that_others_could_read_is_made_private(open_store: Open, path: Path) -> None:
    path.touch()
    path.chmod(0o644)
    await open_store().check()
    assert path.stat().st_mode & 0o777 == 0o600


async def test_two_records_that_were_swapped_are_both_refused(open_store: Open, path: Path) -> None:
    store = open_store()
    for session in (a_session("one", JOHN), a_session("two", MARY)):
        await store.put(session)
    by_hand(
        path,
        "CREATE TEMP TABLE kept AS SELECT key, record FROM session",
        "UPDATE session SET record = (SELECT record FROM kept WHERE kept.key != session.key)",
    )
    assert [await store.get("sales", session_id) for session_id in ("one", "two")] == [None, None]
    assert await store.of_user("sales", JOHN) == []
    assert store.refused > 0


async def test_a_session_that_was_put_under_another_user_is_not_his(open_store: Open, path: Path) -> None:
    store = open_store()
    for session in (a_session("one", JOHN), a_session("two", MARY)):
        await store.put(session)
    by_hand(path, "UPDATE session SET user = (SELECT user FROM session WHERE number = 1)")
    assert await store.of_user("sales", JOHN) == [a_session("one", JOHN)]


async def test_a_time_of_creation_that_was_forged_prolongs_nothing(open_store: Open, path: Path) -> None:
    store = open_store()
    await store.put(a_session("one"))
    by_hand(path, "UPDATE session SET created = created + 1000000")
    session = await store.get("sales", "one")
    assert session is not None
    assert session.over(LIFETIME, START + LIFETIME.absolute) == End.ABSOLUTE


# --- keys ---


async def test_with_a_wrong_key_nothing_is_there(open_store: Open) -> None:
    await open_store().put(a_session("one"))
    other = open_store(a_key())
    assert await other.get("sales", "one") is None
    assert await other.of_user("sales", JOHN) == []
    assert await open_store().get("sales", "one") == a_session("one")


async def test_keys_are_rotated_without_a_logout(open_store: Open) -> None:
    old, new = a_key(), a_key()
    await open_store(old).put(a_session("one"))
    between = open_store(new, old)
    await between.put(a_session("two"))
    assert await between.of_user("sales", JOHN) == [a_session("one"), a_session("two")]
    after = open_store(new)
    assert await after.of_user("sales", JOHN) == [a_session("two")]


async def test_records_of_a_lost_key_are_removed_when_their_time_is_over(open_store: Open) -> None:
    await open_store().put(a_session("one"))
    store = open_store(a_key())
    assert await store.expired("sales", False, LIFETIME, START + 59, 100) == []
    assert await store.count("sales", by_qlik=False) == 1
    assert await store.expired("sales", False, LIFETIME, START + 60, 100) == []
    assert await store.count("sales", by_qlik=False) == 0
    assert [left.key for left in await store.ended_since(0)] == [store_key("sales", "one")]


async def test_an_id_whose_record_cannot_be_opened_may_be_put_anew(open_store: Open) -> None:
    await open_store().put(made_by_qlik("one", JOHN))
    store = open_store(a_key())
    assert await store.put(made_by_qlik("one", MARY)) == made_by_qlik("one", MARY)
    assert await store.get("sales", "one") == made_by_qlik("one", MARY)


# --- restarts, crashes, several workers ---


async def test_sessions_and_tombstones_survive_a_restart(open_store: Open) -> None:
    store = open_store()
    await store.put(a_session("one"))
    await store.put(a_session("two"))
    await store.delete("sales", "two", End.LOGOUT, START)
    await store.close()
    after = open_store()
    assert await after.get("sales", "one") == a_session("one")
    assert await after.get("sales", "two") is None
    assert [left.key for left in await after.ended_since(0)] == [store_key("sales", "two")]


def said_before_the_kill(path: Path, lines: int) -> list[str]:
    program = [sys.executable, str(Path(__file__).parent / "session_writer.py"), str(path), KEY.hex()]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        said = [writer.stdout.readline() for _ in range(lines)]
        writer.kill()
        return [line for line in said + writer.stdout.readlines() if line.endswith("\n")]


@pytest.mark.parametrize("lines", [1, 2, 50, 301])
async def test_a_kill_loses_nothing_that_was_acknowledged(open_store: Open, path: Path, lines: int) -> None:
    said = [line.split() for line in await asyncio.to_thread(said_before_the_kill, path, lines)]
    assert len(said) >= lines
    store = open_store()
    for what, session_id in said:
        session = await store.get("sales", session_id)
        assert (session is None) == (what == "deleted")
        assert what != "seen" or (session and session.last_seen == START + 1)
    assert await store.put(a_session("after")) == a_session("after")


async def test_a_kill_leaves_a_sound_file(open_store: Open, path: Path) -> None:
    for _ in range(3):
        await asyncio.to_thread(said_before_the_kill, path, 30)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


async def test_workers_that_share_a_file_see_each_others_sessions(open_store: Open) -> None:
    one, other = open_store(), open_store()
    await one.put(a_session("one"))
    assert await other.get("sales", "one") == a_session("one")
    await other.delete("sales", "one", End.LOGOUT, START)
    assert [left.key for left in await one.ended_since(0)] == [store_key("sales", "one")]


async def test_workers_that_open_a_new_file_at_once_all_can_use_it(open_store: Open) -> None:
    stores = [open_store() for _ in range(8)]
    results = await asyncio.gather(*(store.put(a_session()) for store in stores), return_exceptions=True)
    unlucky = [store for store, result in zip(stores, results, strict=True) if isinstance(result, StoreUnavailable)]
    for store in unlucky:
        await store.put(a_session())
    assert await stores[0].count("sales", by_qlik=False) == 8


# --- a file that cannot be used ---


async def test_a_missing_directory_is_named_and_may_come_later(open_store: Open, tmp_path: Path) -> None:
    store = open_store(at=tmp_path / "later" / "sessions.db")
    assert "later/sessions.db cannot be used: its directory does not exist: create it" in await trouble(store)
    (tmp_path / "later").mkdir()
    await store.put(a_session("one"))
    assert await store.get("sales", "one") == a_session("one")


async def test_a_directory_in_its_place_is_reported(open_store: Open, path: Path) -> None:
    path.mkdir()
    assert "cannot be used" in await trouble(open_store())


async def test_a_file_that_is_no_database_is_reported_and_left_alone(open_store: Open, path: Path) -> None:
    path.write_text("This is somebody's text file. " * 100)
    store = open_store()
    assert "it is not a database: name another file" in await trouble(store)
    assert path.read_text().startswith("This is somebody's text")
    path.unlink()
    await store.put(a_session("one"))
    assert await store.get("sales", "one") == a_session("one")


async def test_a_database_of_another_program_is_left_alone(open_store: Open, path: Path) -> None:
    by_hand(path, "CREATE TABLE session (mine TEXT)")
    before = path.read_bytes()
    assert "a database of another program" in await trouble(open_store())
    assert path.read_bytes() == before


async def test_a_file_of_a_later_qproxy_is_left_alone(open_store: Open, path: Path) -> None:
    store = open_store()
    await store.check()
    await store.close()
    by_hand(path, f"PRAGMA user_version = {len(STEPS) + 1}")
    before = path.read_bytes()
    assert "written by a later qproxy" in await trouble(open_store())
    assert path.read_bytes() == before


async def test_an_update_of_the_file_that_fails_leaves_it_as_it_was(open_store: Open, path: Path) -> None:
    by_hand(path, f"PRAGMA application_id = {APPLICATION}", "CREATE TABLE ended (mine TEXT)")
    before = path.read_bytes()
    assert "table ended already exists" in await trouble(open_store())
    assert path.read_bytes() == before


async def test_a_damaged_file_is_reported_and_may_be_moved_away(open_store: Open, path: Path) -> None:
    store = open_store()
    for _ in range(200):
        await store.put(a_session())
    await store.close()
    damaged = bytearray(path.read_bytes())
    damaged[4096:] = os.urandom(len(damaged) - 4096)
    path.write_bytes(damaged)
    store = open_store()
    assert "it is damaged: move it away" in await trouble(store)
    path.rename(path.with_suffix(".damaged"))
    await store.put(a_session("one"))
    assert await store.get("sales", "one") == a_session("one")


async def test_a_locked_file_refuses_writes_serves_reads_and_recovers(open_store: Open, path: Path) -> None:
    store = open_store()
    await store.put(a_session("one"))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert "another program keeps it locked" in await trouble(store)
        with pytest.raises(StoreUnavailable):
            await store.check()
        assert await store.get("sales", "one") == a_session("one")
    await store.check()
    await store.put(a_session("two"))
    assert await store.get("sales", "two") == a_session("two")


async def test_a_full_disk_refuses_logins_only_and_recovers(open_store: Open, path: Path) -> None:
    store = open_store(page_limit=40)
    kept = await filled(store)
    assert "the disk is full: free some space" in await trouble(store)
    assert [await store.get("sales", session.id) for session in kept] == kept
    await store.seen({("sales", session.id): START + 1 for session in kept})
    for session in kept:
        assert await store.delete("sales", session.id, End.LOGOUT, START) == session.seen(START + 1)
    assert await store.put(a_session("one")) == a_session("one")


async def test_a_logout_passes_beside_a_login_for_which_there_is_no_room(open_store: Open) -> None:
    store = open_store(page_limit=40)
    kept = await filled(store)
    large = Session("large", "sales", JOHN, Attributes((("Group", "x" * 100_000),)), START, START)
    writes = [store.put(large), store.delete("sales", kept[0].id, End.LOGOUT, START), store.put(large)]
    results = await asyncio.gather(store.check(), *writes, return_exceptions=True)
    assert [type(result) for result in results] == [type(None), StoreUnavailable, Session, StoreUnavailable]
    assert await store.get("sales", kept[0].id) is None


async def test_many_writes_at_once_each_get_their_own_answer(open_store: Open) -> None:
    store = open_store()
    sessions = [made_by_qlik(f"s{n}") for n in range(500)]
    claims = [made_by_qlik(f"s{n}", MARY) for n in range(500)]
    assert await asyncio.gather(*(store.put(session) for session in sessions)) == sessions
    refused = await asyncio.gather(*(store.put(claim) for claim in claims), return_exceptions=True)
    assert {type(result) for result in refused} == {IdTaken}


async def test_who_stops_waiting_for_a_write_does_not_stop_the_others(open_store: Open) -> None:
    store = open_store()
    first, second = (asyncio.create_task(store.put(a_session(session_id))) for session_id in ("one", "two"))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == a_session("two")
    assert await store.get("sales", "one") == a_session("one")


async def test_a_write_that_fails_leaves_nothing_half_done(open_store: Open, path: Path) -> None:
    store = open_store()
    await store.put(a_session("one"))
    by_hand(path, "CREATE TRIGGER full BEFORE INSERT ON ended BEGIN SELECT RAISE(ABORT, 'no room'); END")
    with pytest.raises(StoreUnavailable, match="no room"):
        await store.delete("sales", "one", End.LOGOUT, START)
    assert await store.get("sales", "one") == a_session("one")


async def test_a_file_that_was_moved_away_is_not_written_any_more(open_store: Open, path: Path) -> None:
    store = open_store()
    await store.put(a_session("one"))
    path.rename(path.with_suffix(".old"))
    await store.put(a_session("two"))
    assert await store.get("sales", "one") is None
    assert await open_store().get("sales", "two") == a_session("two")


async def test_troubles_do_not_tell_ids_or_names(open_store: Open, path: Path) -> None:
    path.write_text("no database" * 1000)
    with pytest.raises(StoreUnavailable) as raised:
        await open_store().put(a_session("secretid", User("SSO", "secretname")))
    assert "secret" not in str(raised.value)


@contextmanager
def as_nobody() -> Iterator[None]:
    """Permissions do not hold for root."""
    if sys.platform != "win32" and os.geteuid() == 0:
        os.seteuid(NOBODY)
        yield
        os.seteuid(0)
    else:
        yield


@pytest.fixture
def forbidden() -> Iterator[Path]:
    """A directory that this process may read but not write, even when the tests run as root."""
    directory = Path(tempfile.mkdtemp())
    directory.chmod(0o555)
    with as_nobody():
        yield directory
    directory.chmod(0o755)
    shutil.rmtree(directory)


@pytest.mark.skipif(os.name != "posix", reason="permissions are of another kind there")
async def test_a_directory_that_cannot_be_written_is_reported(open_store: Open, forbidden: Path) -> None:
    assert "Permission denied" in await trouble(open_store(at=forbidden / "sessions.db"))
