"""The store of sessions fails: who is known is served for a while, nobody is let in or sent away by mistake."""

import contextlib
import os
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from a_site import Site, site

COOKIE = "X-Qlik-Session-sales-HTTP"
PROGRAM = {"Accept": "application/json"}
GRACE_S = 30.0


@pytest.fixture
async def qlik(tmp_path: Path) -> AsyncIterator[Site]:
    (tmp_path / "session.key").write_text(os.urandom(32).hex())
    (tmp_path / "session.key").chmod(0o600)
    sqlite = "sessions: {store: sqlite, path: sessions.db, key_file: session.key}"
    async with site(tmp_path, server=sqlite) as built:
        yield built


def spoil(qlik: Site) -> None:
    """As a disk or an operator might: the tables are gone while qproxy runs."""
    with contextlib.closing(sqlite3.connect(qlik.directory / "sessions.db")) as database:
        database.executescript("drop table session; drop table ended;")


async def error_of(answer: aiohttp.ClientResponse) -> tuple[int, str]:
    return answer.status, (await answer.json())["error"]


async def test_a_whole_evening_with_sessions_on_disk(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    assert await qlik.status(person, "/sales/hub/") == 200
    await qlik.log_out(person)
    assert await qlik.status(person, "/sales/hub/") == 302


async def test_no_id_and_no_name_can_be_read_from_the_file_of_sessions(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    await qlik.status(person, "/sales/hub/")
    stored = b"".join(path.read_bytes() for path in qlik.directory.glob("sessions.db*"))
    assert len(stored) > 4096
    assert qlik.cookie(person).encode() not in stored
    assert b"SALES" not in stored


async def test_an_unknown_session_is_neither_admitted_nor_sent_to_the_login_while_nobody_can_tell(qlik: Site) -> None:
    stranger = {"Cookie": f"{COOKIE}={'x' * 43}"} | PROGRAM
    spoil(qlik)
    async with qlik.browser().get("/sales/hub/", headers=stranger) as answer:
        assert await error_of(answer) == (503, "store_unavailable")
    assert qlik.node.journal("http") == []


async def test_qlik_is_told_that_nobody_can_tell_and_not_that_the_session_is_unknown(qlik: Site) -> None:
    spoil(qlik)
    async with (
        aiohttp.ClientSession() as caller,
        caller.get(f"{qlik.internal}/session-module/sales/session/{'x' * 43}") as answer,
    ):
        assert answer.status == 503


async def test_who_is_known_is_served_for_a_while_and_then_no_more(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    assert await qlik.status(person, "/sales/hub/") == 200
    spoil(qlik)
    assert await qlik.status(person, "/sales/hub/") == 200
    qlik.clock.now += GRACE_S + 5
    async with person.get("/sales/hub/", headers=PROGRAM) as answer:
        assert await error_of(answer) == (503, "store_unavailable")


async def test_a_login_that_cannot_be_kept_is_told_as_trouble_here_and_not_as_a_wrong_password(qlik: Site) -> None:
    person = qlik.browser()
    form = await qlik.form(person, "/qproxy/login/sales") | {"name": "ann", "password": "correct horse"}
    spoil(qlik)
    async with person.post("/qproxy/login/sales", data=form, allow_redirects=False) as answer:
        assert answer.status == 503
        assert "store_unavailable" in await answer.text()
        assert COOKIE not in answer.headers.get("Set-Cookie", "")


async def test_readiness_names_what_is_wrong(qlik: Site) -> None:
    async with aiohttp.ClientSession() as probe:
        async with probe.get(f"{qlik.internal}/readyz") as answer:
            assert answer.status == 200
        spoil(qlik)
        await qlik.node.stop_listening()
        async with probe.get(f"{qlik.internal}/readyz") as answer:
            text = await answer.text()
            assert answer.status == 503
        assert "store" in text
        assert "no Qlik node can be reached" in text
        async with probe.get(f"{qlik.internal}/livez") as answer:
            assert answer.status == 200
