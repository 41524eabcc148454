"""Logging out: only the person's own press on the button ends the session."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from login_site import Browser, Site, sales_site

from qproxy.model import End

LOGOUT = "/qproxy/logout/sales"
COOKIE = "X-Qlik-Session-sales"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with sales_site(tmp_path) as opened:
        yield opened


@pytest.fixture
async def browser(site: Site) -> Browser:
    """Of ann, who is logged in."""
    browser = site.browser()
    await browser.log_in()
    return browser


async def test_following_a_link_logs_nobody_out(site: Site, browser: Browser) -> None:
    page = await browser.get(LOGOUT)
    assert (page.status, page.set_cookies) == (200, [])
    assert len(site.desk.sessions) == 1


async def test_the_button_ends_the_session_and_takes_the_cookie(site: Site, browser: Browser) -> None:
    page = await browser.get(LOGOUT)
    [session] = site.desk.sessions
    reply = await browser.post(LOGOUT, {"token": page.token})
    assert site.desk.ended == [(session, End.LOGOUT)]
    assert reply.set_cookies[0] == f"{COOKIE}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"
    assert COOKIE not in browser.cookies


async def test_the_page_after_it_leads_to_the_login(browser: Browser) -> None:
    page = await browser.get(LOGOUT)
    reply = await browser.post(LOGOUT, {"token": page.token})
    assert 'href="/qproxy/login/sales?login=password_file"' in reply.text
    assert (await browser.get("/qproxy/login/sales")).status == 200


async def test_logging_out_stands_in_the_audit_log(site: Site, browser: Browser) -> None:
    [session] = site.desk.sessions.values()
    await browser.post(LOGOUT, {"token": (await browser.get(LOGOUT)).token})
    event = site.desk.events[-1]
    assert (event.outcome, event.user, event.session) == ("logout", "ACME\\ann", session.short)


async def test_logging_out_twice_is_no_error(browser: Browser) -> None:
    page = await browser.get(LOGOUT)
    await browser.post(LOGOUT, {"token": page.token})
    assert (await browser.post(LOGOUT, {"token": page.token})).status == 200


async def test_without_the_token_the_button_has_to_be_pressed_again(site: Site, browser: Browser) -> None:
    again = await browser.post(LOGOUT, {})
    assert (again.status, len(site.desk.sessions)) == (403, 1)
    assert (await browser.post(LOGOUT, {"token": again.token})).status == 200


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.example"}], ids=str)
async def test_another_site_logs_nobody_out(site: Site, browser: Browser, headers: dict[str, str]) -> None:
    page = await browser.get(LOGOUT)
    reply = await browser.post(LOGOUT, {"token": page.token}, headers)
    assert (reply.status, len(site.desk.sessions)) == (403, 1)
    assert "Another site" in reply.message


async def test_the_token_for_logging_in_does_not_log_out(site: Site, browser: Browser) -> None:
    form = await site.browser().get(
        "/qproxy/login/sales", {"Cookie": f"qproxy-login={browser.cookies['qproxy-login']}"}
    )
    assert (await browser.post(LOGOUT, {"token": form.token})).status == 403
