"""Three modes, same evening: however QPS learns of a session, people and programs notice no difference."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from a_site import APP, Site, call, farewell, greeting, site
from site_plan import MACHINE
from waiting import eventually

MODES = ["session_module", "session_api", "ticket"]
COOKIE = "X-Qlik-Session-sales"
SHEET = f"/sales/sense/app/{APP}/sheet/s1?a=%2Fb+c;d"


@pytest.fixture(params=MODES)
async def qlik(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path, tls=True, mode=request.param, vps={"sales": "sales"}) as built:
        yield built


@pytest.fixture(params=["session_api", "ticket"])
async def told(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    """The two modes in which QPS cannot ask."""
    async with site(tmp_path, tls=True, mode=request.param, vps={"sales": "sales"}) as built:
        yield built


@pytest.fixture
async def ticket(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path, tls=True, mode="ticket", vps={"sales": "sales"}) as built:
        yield built


def names(qlik: Site) -> list[str]:
    return [session.user for session in qlik.node.sessions("sales")]


async def through(qlik: Site, person: aiohttp.ClientSession, target: str, **more: object) -> tuple[int, str]:
    """As a browser follows: the status at the end, and where that was."""
    async with person.get(qlik.url(target), **more) as answer:  # type: ignore[arg-type]
        await answer.read()
        return answer.status, str(answer.url)


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
    assert await through(qlik, person, SHEET) == (200, qlik.origin + SHEET)
    assert await who(qlik, person) == "UserDirectory=SALES; UserId=ann"
    assert qlik.cookie(person, COOKIE) == cookie
    assert names(qlik) == ["ann"]


async def test_a_burst_of_programs_after_a_restart_is_answered_by_one_session(qlik: Site) -> None:
    person = qlik.browser(Accept="application/json")
    await qlik.log_in(person)
    await qlik.node.restart()
    paths = [f"/sales/api/hub/v1/streams?n={number}" for number in range(25)]
    answers = await asyncio.gather(*(through(qlik, person, path) for path in paths))
    assert answers == [(200, qlik.origin + path) for path in paths]
    assert names(qlik) == ["ann"]


async def test_the_hubs_own_logout_ends_it_everywhere(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    await qlik.status(person, "/sales/hub/")
    assert await qlik.status(person, "/sales/qps/user", method="DELETE") == 200
    assert await qlik.status(person, "/sales/hub/") == 302
    assert names(qlik) == []


async def test_after_the_idle_time_qlik_is_told_too(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    await qlik.status(person, "/sales/hub/")
    qlik.clock.now += 1799
    qlik.node.core.clock.offset -= 1799  # Qlik's own time is not over
    qlik.clock.now += 2
    await qlik.server.sessions.sweep()
    assert await qlik.status(person, "/sales/hub/") == 302
    await eventually(lambda: names(qlik) == [])


async def test_a_post_after_a_restart_is_never_sent_twice_and_the_next_request_is_answered(told: Site) -> None:
    person = told.browser()
    await told.log_in(person)
    await told.node.restart()
    told.node.set_toggle("post_unauth", 302)
    assert await told.status(person, "/sales/qrs/app", method="POST", data=b"x") in (302, 403, 503)
    assert (await through(told, person, "/sales/hub/"))[0] == 200


async def test_qlik_that_refuses_what_it_was_told_gets_one_new_login_and_then_a_page_that_explains(
    told: Site, caplog: pytest.LogCaptureFixture
) -> None:
    person = told.browser()
    await told.log_in(person)
    told.node.core.vps["sales"].settings.__dict__["cookie_name"] = "X-Other"
    async with person.get(told.url("/sales/hub/?x=1"), allow_redirects=False) as first:
        assert first.status == 307
        again = first.headers["Location"]
    async with person.get(told.url(again), allow_redirects=False) as second:
        assert second.status in (303, 503)
    assert told.cookie(person, COOKIE) not in caplog.text


async def test_an_api_that_is_away_keeps_nobody_from_the_login_and_a_page_says_so(
    told: Site, caplog: pytest.LogCaptureFixture
) -> None:
    await told.node._listeners["rest"].stop()
    person = told.browser()
    await told.log_in(person)
    assert (await through(told, person, "/sales/hub/"))[0] == 503
    assert "could not be told of session" in caplog.text
    await told.node._listeners["rest"].start()
    assert (await through(told, person, "/sales/hub/"))[0] == 200
