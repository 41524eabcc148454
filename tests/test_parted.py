"""After a logout nobody is logged in again in silence: the provider's logout, or a page with a button, comes first."""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest
from login_site import KEYS, Browser, Desk, Reply, Site, open_site, password_method, user_file

from qproxy.auth import Accept, Answer, LoginRequest, Method, Send
from qproxy.auth.deep_link import DeepLinks
from qproxy.auth.way import Way
from qproxy.model import Session, Tie
from qproxy.partings import COOKIE, mark_of

LOGIN, LOGOUT = "/qproxy/login/sales", "/qproxy/logout/sales"
TARGET = "/sales/sense/app/x?sheet=1"


class Provider(Method):
    """Knows the person, and asks nothing."""

    name = "idp"
    returns: ClassVar[Mapping[str, str]] = {"callback": "state"}

    def __init__(self, ends: bool = True) -> None:
        self.ends = ends

    async def step(self, request: LoginRequest) -> Answer:
        if request.verb:
            return Accept("ann", tie=Tie(("sid 7",), {"id_token": "e.y.j"}))
        return Send(f"https://idp.example/authorize?state={await request.keep({}, 1500)}")

    async def leave(self, session: Session, back: str) -> str:
        token = session.tie.kept["id_token"]
        return f"https://idp.example/logout?hint={token}&back={back}" if self.ends else ""


def a_desk(provider: Provider, *more: Method) -> Desk:
    return Desk(chosen_ways=[Way(provider, title="The company"), *(Way(one) for one in more)])


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with open_site(a_desk(Provider())) as opened:
        yield opened


@pytest.fixture
async def without_logout() -> AsyncIterator[Site]:
    async with open_site(a_desk(Provider(ends=False))) as opened:
        yield opened


async def logged_in(site: Site, page: str = LOGIN) -> Browser:
    browser = site.browser()
    away = await browser.get(page)
    await browser.get(f"{LOGIN}/idp/callback?state={away.location.partition('state=')[2]}")
    return browser


async def by_the_button(browser: Browser) -> Reply:
    return await browser.post(LOGOUT, {"token": (await browser.get(LOGOUT)).token})


def in_the_hub(site: Site, browser: Browser) -> None:
    """What a logout in Qlik's hub leaves behind, seen from the login page."""
    session = site.desk.sessions.pop(browser.cookies.pop(site.desk.cookie_name))
    browser.cookies[COOKIE] = mark_of(session.id)
    site.desk.left[mark_of(session.id)] = session


def deep_link() -> str:
    return DeepLinks(KEYS).login_location("sales", "/sales", TARGET.encode())


def the_button(reply: Reply) -> str:
    found = re.search(r'class="button" href="([^"]*)"', reply.text)
    assert found is not None, reply.text
    return unescape(found[1])


async def test_our_button_goes_on_to_the_providers_logout_by_itself(site: Site) -> None:
    reply = await by_the_button(await logged_in(site))
    wanted = "https://idp.example/logout?hint=e.y.j&back=http://bi.example.com/qproxy/logout/sales/done"
    assert (reply.status, reply.headers["Refresh"]) == (200, f"0;url={wanted}")
    assert the_button(reply) == wanted
    assert site.desk.sessions == {}


async def test_back_from_the_provider_a_page_says_so_and_offers_to_log_in(site: Site) -> None:
    browser = await logged_in(site)
    await by_the_button(browser)
    page = await browser.get(f"{LOGOUT}/done?state=")
    assert "You are logged out" in page.text
    assert (await browser.get(the_button(page))).location.startswith("https://idp.example/authorize")


@pytest.mark.parametrize("page", [LOGIN, deep_link()], ids=["login", "deep link"])
async def test_after_our_button_the_next_visit_does_not_log_in_in_silence(without_logout: Site, page: str) -> None:
    browser = await logged_in(without_logout)
    reply = await by_the_button(browser)
    assert "Refresh" not in reply.headers
    for _ in range(2):
        again = await browser.get(page)
        assert again.status == 200
        assert "You are logged out" in again.text


async def test_by_the_button_on_that_page_the_person_gets_where_the_visit_was_to_lead(without_logout: Site) -> None:
    browser = await logged_in(without_logout)
    await by_the_button(browser)
    away = await browser.get(the_button(await browser.get(deep_link())))
    back = await browser.get(f"{LOGIN}/idp/callback?state={away.location.partition('state=')[2]}")
    assert back.location.endswith(TARGET)
    assert COOKIE not in browser.cookies


async def test_after_a_logout_in_the_hub_the_next_visit_goes_by_the_providers_logout(site: Site) -> None:
    browser = await logged_in(site)
    in_the_hub(site, browser)
    away = await browser.get(deep_link())
    assert away.location.startswith("https://idp.example/logout?hint=e.y.j&")
    [address] = parse_qs(urlsplit(away.location).query)["back"]
    page = await browser.get(address.removeprefix("http://bi.example.com"))
    again = await browser.get(the_button(page))
    back = await browser.get(f"{LOGIN}/idp/callback?state={again.location.partition('state=')[2]}")
    assert back.location.endswith(TARGET)


async def test_who_comes_once_more_instead_of_going_there_is_not_logged_in_in_silence(site: Site) -> None:
    browser = await logged_in(site)
    in_the_hub(site, browser)
    await browser.get(LOGIN)
    assert "You are logged out" in (await browser.get(LOGIN)).text


async def test_a_form_comes_without_a_page_before_it(tmp_path: Path) -> None:
    async with open_site(Desk([password_method(user_file(tmp_path, "ann"))])) as site:
        browser = site.browser()
        await browser.log_in()
        await by_the_button(browser)
        assert COOKIE in browser.cookies
        await browser.log_in()
        assert COOKIE not in browser.cookies
        assert len(site.desk.sessions) == 1


async def test_where_there_is_a_choice_it_is_shown(tmp_path: Path) -> None:
    async with open_site(a_desk(Provider(ends=False), password_method(user_file(tmp_path, "ann")))) as site:
        browser = await logged_in(site, f"{LOGIN}?login=idp")
        del browser.cookies["qproxy-way"]
        await by_the_button(browser)
        assert "The company" in (await browser.get(LOGIN)).text


async def test_a_way_that_is_no_longer_configured_has_no_logout(site: Site) -> None:
    browser = await logged_in(site)
    in_the_hub(site, browser)
    [(mark, session)] = site.desk.left.items()
    site.desk.left[mark] = replace(session, method="gone")
    assert "You are logged out" in (await browser.get(LOGIN)).text


async def test_a_mark_that_names_nothing_shows_the_page_and_no_more(site: Site) -> None:
    browser = site.browser()
    browser.cookies[COOKIE] = "f" * 64
    assert "You are logged out" in (await browser.get(LOGIN)).text
    browser.cookies[COOKIE] = "no mark"
    assert (await browser.get(LOGIN)).location.startswith("https://idp.example/authorize")
