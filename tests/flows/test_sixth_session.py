"""Qlik allows a person five sessions on a virtual proxy and refuses the sixth: here the oldest gives way before."""

import asyncio
import json
import secrets
from pathlib import Path

import aiohttp
import pytest
from a_site import PASSWORD, Site, farewell, greeting, site
from waiting import eventually

from qproxy.model import Attributes, User
from qproxy.sessions.store import StoreUnavailable

ANN = User("SALES", "ann")
REFUSED = (["OnMaxParallelSessionsExceeded"], 1001)


def ends(qlik: Site) -> list[dict[str, str]]:
    lines = [json.loads(line) for line in (qlik.directory / "audit.log").read_text().splitlines()]
    return [line for line in lines if line["event"] == "session_ended"]


async def logged_in(qlik: Site, count: int, name: str = "ann") -> list[aiohttp.ClientSession]:
    """So many browsers of one person, one after the other."""
    people = [qlik.browser() for _ in range(count)]
    for person in people:
        await qlik.log_in(person, name=name)
        assert await qlik.status(person, "/sales/hub/") == 200
    return people


async def living(qlik: Site, people: list[aiohttp.ClientSession]) -> list[bool]:
    return [await qlik.status(person, "/sales/hub/") == 200 for person in people]


async def test_the_sixth_login_ends_the_oldest_session_and_tells_its_socket(qlik: Site) -> None:
    first, *others = await logged_in(qlik, 5)
    ended = qlik.cookie(first)
    async with qlik.engine(first) as ws:
        await greeting(ws)
        others += await logged_in(qlik, 1)
        assert await farewell(ws) == (["OnSessionClosed"], 1001, "sixth_session")
    assert await living(qlik, [first, *others]) == [False, *[True] * 5]
    (line,) = ends(qlik)
    assert (line["why"], line["user"], str(line["sockets"])) == ("sixth_session", r"SALES\ann", "1")
    assert ended not in str(line)


@pytest.mark.parametrize("mode", ["session_module", "session_api", "ticket"])
async def test_where_qlik_is_told_of_ends_the_sixth_opens_its_socket(tmp_path: Path, mode: str) -> None:
    async with site(tmp_path, tls=True, mode=mode, vps={"sales": "sales"}) as qlik:
        first, *_, sixth = await logged_in(qlik, 6)
        await eventually(lambda: len(qlik.node.sessions("sales")) == 5)
        async with qlik.engine(sixth) as ws:
            assert await greeting(ws) == ["OnAuthenticationInformation", "OnConnected"]
        assert await living(qlik, [first]) == [False]


async def test_whoever_was_the_oldest_finds_back_by_one_login(qlik: Site) -> None:
    first, *_ = await logged_in(qlik, 6)
    assert await qlik.log_in(first, "/sales/hub/?x=1") == f"{qlik.origin}/sales/hub/?x=1"


async def test_the_sixth_session_of_one_person_touches_neither_another_nor_another_virtual_proxy(qlik: Site) -> None:
    await logged_in(qlik, 4)
    bob = (await logged_in(qlik, 1, "bob"))[0]
    finance = qlik.browser()
    await qlik.log_in(finance, "/finance/hub/")
    await logged_in(qlik, 1)
    assert ends(qlik) == []
    assert await qlik.status(bob, "/sales/hub/") == 200
    assert await qlik.status(finance, "/finance/hub/") == 200


async def test_a_browser_that_logs_in_again_takes_nobodys_place_but_its_own(qlik: Site) -> None:
    last = qlik.browser()
    async with last.get("/sales/hub/", allow_redirects=False) as turned_away:
        login = turned_away.headers["Location"]
    form = await qlik.form(last, login) | {"name": "ann", "password": PASSWORD}
    others = await logged_in(qlik, 4)
    await qlik.log_in(last)
    assert await qlik.status(last, login, method="POST", data=form) == 303
    assert [line["why"] for line in ends(qlik)] == ["replaced"]
    assert await living(qlik, [*others, last]) == [True] * 5


async def test_of_many_logins_at_once_as_many_live_as_may(tmp_path: Path) -> None:
    (tmp_path / "session.key").write_text(secrets.token_hex(32))
    (tmp_path / "session.key").chmod(0o600)
    sqlite = "sessions: {store: sqlite, path: sessions.db, key_file: session.key}"
    async with site(tmp_path, server=sqlite) as qlik:
        vp = qlik.server.vps["sales"]
        made = await asyncio.gather(*(vp.open_session(ANN, Attributes(), relogin=False) for _ in range(20)))
        found = [session.id for session in await vp.of_user(ANN)]
        assert len(found) == 5
        assert set(found) < {session.id for session in made}
        assert [line["why"] for line in ends(qlik)] == ["sixth_session"] * 15


async def test_sessions_that_qlik_made_count_but_are_left_to_it(qlik: Site) -> None:
    vp = qlik.server.vps["sales"]
    for number in range(5):
        await vp.adopt(ANN, Attributes(), f"made-by-qlik-{number}")
    people = await logged_in(qlik, 2)
    assert await living(qlik, people) == [False, True]
    assert len(await vp.of_user(ANN)) == 6


async def test_another_number_may_be_configured(tmp_path: Path) -> None:
    async with site(tmp_path, vp="lifetime: {most_sessions: 1}") as qlik:
        people = await logged_in(qlik, 3)
        assert await living(qlik, people) == [False, False, True]


async def test_where_nobody_has_to_give_way_qlik_refuses_the_sixth_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with site(tmp_path, vp="lifetime: {most_sessions: never}") as qlik:
        *others, sixth = await logged_in(qlik, 6)
        for _ in range(2):
            async with qlik.engine(sixth) as ws:
                assert (await farewell(ws))[:2] == REFUSED
        assert await living(qlik, others) == [True] * 5
        await eventually(lambda: qlik.server.listener.tunnels == 0)
        text = qlik.server.observer.metrics.text().decode()
        assert 'qproxy_failures_total{failure="session_limit",vp="sales"} 2.0' in text
    lines = [record.getMessage() for record in caplog.records if "OnMaxParallelSessionsExceeded" in record.getMessage()]
    assert len(lines) == 1
    assert r"SALES\ann" in lines[0]
    assert "lifetime.most_sessions" in lines[0]
    assert qlik.cookie(sixth) not in caplog.text


async def test_a_store_that_fails_while_room_is_made_does_not_keep_the_person_out(
    qlik: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fails(*_: object) -> None:
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr(qlik.server.store, "of_user", fails)
    (person,) = await logged_in(qlik, 1)
    assert await living(qlik, [person]) == [True]
    assert "no room could be made" in caplog.text
