"""Three modes, same evening: however QPS learns of a session, people and programs notice no difference."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from a_site import Site, call, farewell, greeting, site
from flows.followed import COOKIE, PROGRAM, SHEET, names, through
from site_plan import MACHINE
from waiting import eventually

MODES = ["session_module", "session_api", "ticket"]


@pytest.fixture(params=MODES)
async def qlik(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path, tls=True, mode=request.param, vps={"sales": "sales"}) as built:
        yield built


async def who(qlik: Site, person: aiohttp.ClientSession) -> str:
    async with qlik.engine(person) as ws:
        assert await greeting(ws) == ["OnAuthenticationInformation", "OnConnected"]
        return str((await call(ws, "GetAuthenticatedUser"))["qReturn"])


async def test_an_evening_from_the_deep_link_to_the_logout(qlik: Site) -> None:
    person = qlik.browser()
    assert await qlik.log_in(person, SHEET) == qlik.origin + SHEET
    assert await qlik.status(person, SHEET) == 200
    assert await who(qlik, person) == "UserDirectory=SALES; UserId=ann"
    assert names(qlik) == ["ann"]
    await qlik.log_out(person)
    assert await qlik.status(person, "/sales/hub/") == 302
    await eventually(lambda: names(qlik) == [])
    assert not [text for text in qlik.seen if MACHINE in text or re.search("qlikticket|:4243|:4244", text, re.I)]


async def test_one_host_and_one_cookie_of_our_own(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    for path in ("/sales/hub/", "/sales/resources/fonts/x.woff", "/sales/qps/csrftoken"):
        async with person.get(path, allow_redirects=False) as answer:
            assert COOKIE not in answer.headers.get("Set-Cookie", "")
    assert len(qlik.cookie(person, COOKIE)) == 43
    assert {url.host for text in qlik.seen if (url := qlik.url(text.partition("\n")[0]))} == {"localhost"}


async def test_sockets_are_told_when_the_session_ends_and_nobody_comes_back_with_its_cookie(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    cookie = qlik.cookie(person, COOKIE)
    async with qlik.engine(person) as ws:
        await greeting(ws)
        await qlik.log_out(person)
        said, code, _ = await farewell(ws)
    assert (said[0], code) == ("OnSessionLoggedOut", 1001)
    thief = qlik.browser(Cookie=f"{COOKIE}={cookie}")
    assert await qlik.status(thief, "/sales/hub/") == 302


async def test_qlik_restarts_and_people_go_on_without_a_login(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person, SHEET)
    cookie = qlik.cookie(person, COOKIE)
    await qlik.status(person, SHEET)
    await qlik.node.restart()
    assert await through(qlik, person, SHEET) == (200, SHEET)
    assert await who(qlik, person) == "UserDirectory=SALES; UserId=ann"
    assert qlik.cookie(person, COOKIE) == cookie
    assert names(qlik) == ["ann"]


async def test_a_burst_of_programs_after_a_restart_is_answered_by_one_session(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    await qlik.node.restart()
    paths = [f"/sales/api/hub/v1/streams?n={number}" for number in range(25)]
    answers = await asyncio.gather(*(through(qlik, person, path, PROGRAM) for path in paths))
    assert answers == [(200, path) for path in paths]
    assert names(qlik) == ["ann"]


async def test_the_hubs_own_logout_ends_it_everywhere(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    await qlik.status(person, "/sales/hub/")
    assert await qlik.status(person, "/sales/qps/user", method="DELETE") == 200
    assert await qlik.status(person, "/sales/hub/") == 302
    assert names(qlik) == []


async def test_the_hubs_logout_ends_that_users_sessions_in_other_browsers_too(qlik: Site) -> None:
    person, elsewhere, somebody = qlik.browser(), qlik.browser(), qlik.browser()
    await qlik.log_in(person)
    await qlik.log_in(elsewhere)
    await qlik.log_in(somebody, name="bob")
    for one in (person, elsewhere, somebody):
        await qlik.status(one, "/sales/hub/")
    await qlik.status(person, "/sales/qps/user", method="DELETE")
    await eventually(lambda: len(qlik.server.sessions) == 1)
    assert [await qlik.status(one, "/sales/hub/") for one in (elsewhere, somebody)] == [302, 200]


async def test_qlik_is_told_of_a_session_whose_time_is_over_here(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    await qlik.status(person, "/sales/hub/")
    qlik.node.core.clock.offset -= 1801  # in Qlik it was used just now
    qlik.clock.now += 1801
    await qlik.server.sessions.sweep()
    assert await qlik.status(person, "/sales/hub/") == 302
    await eventually(lambda: names(qlik) == [])
