"""The key that seals sessions is exchanged while people work: nobody notices, and the old key can go in the end."""

from pathlib import Path

import pytest
from a_site import Site, site, tell_qlik
from some_sessions import a_key, key_file
from waiting import eventually

from qproxy.config.load import load
from qproxy.key_files import Key, change_key_file, rotated, without_old
from qproxy.server import Server
from qproxy.sessions.sqlite import SqliteStore

SQLITE = "sessions: {store: sqlite, path: sessions.db, key_file: session.key}"
USED = Key(a_key())


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qproxy.server.LOOK_EVERY", 0.01)


async def rotate(qlik: Site) -> list[bytes]:
    """The keys, the new one first, which seals from now on."""
    held = change_key_file(qlik.directory / "session.key", lambda old: rotated(old, qlik.clock(), qlik.clock() + 60))
    await eventually(lambda: len(qlik.server.keys.current) == 2)
    qlik.clock.now += 60
    await eventually(lambda: qlik.server.keys.current[0] == held[0].secret)
    return [key.secret for key in held]


async def restarted(qlik: Site) -> Server:
    await qlik.server.stop()
    qlik.server = Server(load(qlik.directory), qlik.clock)
    await qlik.server.start()
    tell_qlik(qlik, qlik.server.internal_ports[0], {"sales": "sales"})
    return qlik.server


async def test_who_is_logged_in_or_about_to_log_in_does_not_notice_a_rotation(tmp_path: Path) -> None:
    key_file(tmp_path, USED)
    async with site(tmp_path, server=SQLITE) as qlik:
        ann, bob = qlik.browser(), qlik.browser()
        await qlik.log_in(ann)
        async with bob.get("/sales/hub/", allow_redirects=False) as turned_away:
            login = turned_away.headers["Location"]
        form = await qlik.form(bob, login)
        new, _ = await rotate(qlik)
        async with bob.post(qlik.url(login), data=form | {"name": "bob", "password": "correct horse"}) as done:
            assert done.status == 200
        assert [await qlik.status(person, "/sales/hub/") for person in (ann, bob)] == [200, 200]
        server = await restarted(qlik)
        assert [await qlik.status(person, "/sales/hub/") for person in (ann, bob)] == [200, 200]
        await server.stop()
        assert await users_opened_by(tmp_path, new) == ["SALES\\bob"]


async def users_opened_by(directory: Path, key: bytes) -> list[str]:
    store = SqliteStore(directory / "sessions.db", [key])
    users = [session.who async for session in store.each()]
    await store.close()
    return users


async def test_when_every_old_session_is_over_the_old_key_is_not_needed(tmp_path: Path) -> None:
    key_file(tmp_path, USED)
    async with site(tmp_path, server=SQLITE) as qlik:
        ann = qlik.browser()
        await qlik.log_in(ann)
        await rotate(qlik)
        qlik.clock.now += 25 * 3600  # longer than a session of qproxy, or one of Qlik, may live
        change_key_file(tmp_path / "session.key", lambda held: without_old(held, 24 * 3600, None, qlik.clock()))
        await eventually(lambda: USED.secret not in qlik.server.keys.current)
        assert await qlik.status(ann, "/sales/hub/") == 302
        await qlik.log_in(ann)
        assert await qlik.status(ann, "/sales/hub/") == 200
