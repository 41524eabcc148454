"""A person's evening: log in once, use Qlik over HTTP and WebSocket on one host, with one session for all of it."""

import asyncio
import re
from pathlib import Path

import pytest
from a_site import APP, Site, call, greeting, site

SHEET = f"/sales/sense/app/{APP}/sheet/s1/state/analysis?a=%2Fb+c;d"
DEEP_LINKS = [
    SHEET,
    "/sales/single/?appid=x&sheet=y&opt=ctxmenu,currsel&select=Field,%5B1%2C2%5D",
    "/sales/sense/app/%3Ftransient%3D/overview",
    "/sales/sense/app/a%2Fb/c%20d?q=%C3%A5+%25",
    "/sales/hub/?a=1&a=2&&b=;x='~!*()",
    "/sales/hub?state=mine&targetId=1",
    "/sales/content/Default/caf%C3%A9.png?x=http://elsewhere.test/",
]


async def test_a_stranger_is_sent_to_the_login_page_and_back_to_the_exact_deep_link(qlik: Site) -> None:
    person = qlik.browser()
    assert await qlik.log_in(person, SHEET) == qlik.origin + SHEET


@pytest.mark.parametrize("target", DEEP_LINKS)
async def test_an_odd_deep_link_reaches_qlik_after_the_login_byte_for_byte(qlik: Site, target: str) -> None:
    person = qlik.browser()
    assert await qlik.status(person, await qlik.log_in(person, target)) in (200, 404)
    assert qlik.node.journal("http")[-1].target == target


async def test_after_the_login_the_hub_answers_on_the_public_host(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    async with person.get("/sales/hub/", allow_redirects=False) as hub:
        assert hub.status == 200
        assert "X-Qlik-Session-sales" not in hub.headers.get("Set-Cookie", "")


async def test_the_engine_says_over_the_socket_who_is_logged_in(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    async with qlik.engine(person) as ws:
        assert await greeting(ws) == ["OnAuthenticationInformation", "OnConnected"]
        assert (await call(ws, "GetAuthenticatedUser"))["qReturn"] == "UserDirectory=SALES; UserId=ann"


async def test_one_login_makes_exactly_one_qlik_session_and_no_anonymous_ones(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    for path in ("/sales/hub/", "/sales/resources/fonts/x.woff", "/sales/extensions/schema"):
        await qlik.status(person, path)
    async with qlik.engine(person) as ws:
        await greeting(ws)
    assert [(session.user, session.source) for session in qlik.node.sessions("sales")] == [("ann", "module")]


async def test_a_burst_of_first_requests_makes_one_qlik_session(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    paths = [f"/sales/api/hub/v1/streams?n={number}" for number in range(25)]
    assert set(await asyncio.gather(*(qlik.status(person, path) for path in paths))) == {200}
    assert len(qlik.node.sessions("sales")) == 1
    assert {entry.method for entry in qlik.node.journal("module")} == {"GET"}


async def test_several_tabs_log_in_at_once_and_each_comes_back_to_its_own_page(qlik: Site) -> None:
    person = qlik.browser()
    targets = [f"/sales/sense/app/{APP}?tab={number}" for number in range(4)]
    logins = []
    for target in targets:
        async with person.get(qlik.url(target), allow_redirects=False) as turned_away:
            logins.append(turned_away.headers["Location"])
    await qlik.form(person, logins[0])  # the first page of a browser gives it its binding cookie
    ends = await asyncio.gather(*(qlik.fill_in(person, login) for login in logins))
    assert ends == [qlik.origin + target for target in targets]
    assert await qlik.status(person, "/sales/hub/") == 200


async def test_a_second_tab_that_opens_the_login_page_of_someone_logged_in_goes_straight_on(qlik: Site) -> None:
    person = qlik.browser()
    async with person.get(qlik.url(SHEET), allow_redirects=False) as turned_away:
        login = turned_away.headers["Location"]
    await qlik.log_in(person)
    async with person.get(qlik.url(login), allow_redirects=False) as page:
        assert (page.status, page.headers["Location"]) == (303, qlik.origin + SHEET)


async def test_two_virtual_proxies_in_one_browser_keep_two_people(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person, "/sales/hub/", "ann")
    await qlik.log_in(person, "/finance/hub/", "bob")
    for prefix, name in (("sales", "ann"), ("finance", "bob")):
        async with qlik.engine(person, f"/{prefix}/app/{APP}") as ws:
            who = (await call(ws, "GetAuthenticatedUser"))["qReturn"]
            assert who == f"UserDirectory={prefix.upper()}; UserId={name}"


async def test_logging_out_of_one_virtual_proxy_leaves_the_other_alone(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person, "/sales/hub/", "ann")
    await qlik.log_in(person, "/finance/hub/", "bob")
    await qlik.log_out(person, "sales")
    assert await qlik.status(person, "/sales/hub/") == 302
    assert await qlik.status(person, "/finance/hub/") == 200


async def test_a_virtual_proxy_without_a_prefix_is_the_whole_host_but_for_the_others(tmp_path: Path) -> None:
    async with site(tmp_path, vps={"main": "", "finance": "finance"}) as qlik:
        person = qlik.browser()
        assert await qlik.log_in(person, "/hub/?x=1") == f"{qlik.origin}/hub/?x=1"
        assert await qlik.status(person, "/hub/") == 200
        assert await qlik.status(person, "/finance/hub/") == 302
        assert [session.directory for session in qlik.node.sessions("")] == ["MAIN"]


async def test_the_login_page_is_the_only_thing_that_a_stranger_gets(qlik: Site) -> None:
    person = qlik.browser()
    for target in (SHEET, "/sales/hub/", "/sales/", "/sales", "/sales/qrs/about", "/sales/content/Default/x.png"):
        async with person.get(qlik.url(target), allow_redirects=False) as answer:
            assert answer.status == 302
            assert re.match(r"/qproxy/login/sales(\?|$)", answer.headers["Location"])
    assert qlik.node.journal("http") == []
